"""Killed at any moment, the writer of hits loses none that it acknowledged, and doubles no id."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import func, select

from realtime.pump import AlertPump
from realtime.targets import Target
from storage import hits
from storage.database import Database, open_database
from storage.deliveries import OPEN
from storage.tables import OUTBOX
from tests.realtime.alert_writer import LEASE_S, LOOPBACK, write_hits
from tests.realtime.builders import SECRET, target_at
from tests.servers.postgres import PostgresServer
from tests.servers.webhooks import ReceivedWebhook, running_webhook_receiver

pytestmark = pytest.mark.slow

_PRELOADED = [
    "__main__", "realtime.ledger", "realtime.pump", "realtime.routes", "storage.migration",
    "psycopg", "sqlalchemy.dialects.sqlite", "tests.realtime.alert_writer",
]  # fmt: skip
_MAX_ACKNOWLEDGED = 6  # before a kill
_MAX_LATE_S = 0.03  # after the last of them
_START_TIMEOUT_S = 60.0
_SETTLE_TIMEOUT_S = 120.0


def kill_often(url: str, targets: tuple[Target, ...], n_kills: int, seed: int) -> set[str]:
    """Start a writer and kill it, again and again.

    Returns:
        Ids of the hits that writers acknowledged.
    """
    dice = random.Random(seed)  # noqa: S311 - the same moments in each run
    # A fork server has imported everything, so a writer starts in a moment.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    acknowledged: set[str] = set()
    for run in range(n_kills):
        ours, theirs = context.Pipe(duplex=False)
        writer = context.Process(target=write_hits, args=(url, targets, run, theirs), daemon=True)
        writer.start()
        theirs.close()
        for _ in range(dice.randint(0, _MAX_ACKNOWLEDGED)):
            assert ours.poll(_START_TIMEOUT_S), "the writer wrote nothing"
            acknowledged.add(ours.recv())
        time.sleep(dice.uniform(0, _MAX_LATE_S))
        assert writer.is_alive()
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        try:
            while True:  # what it had sent before it died
                acknowledged.add(ours.recv())
        except (EOFError, OSError):
            ours.close()
    return acknowledged


async def deliver_the_rest(database: Database, targets: Sequence[Target]) -> None:
    """A pump that lives delivers what the dead ones left behind."""
    pump = AlertPump(database, targets, guard=LOOPBACK)
    deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
    while n_open(database):
        assert time.monotonic() < deadline_s, "something is not delivered"
        if not await pump.deliver_due():
            await asyncio.sleep(LEASE_S / 10)


def n_open(database: Database) -> int:
    """How many deliveries have not arrived."""
    with database.begin(read_only=True) as connection:
        return connection.execute(select(func.count()).select_from(OUTBOX).where(OPEN)).scalar_one()


def ids_of_hits(received: Sequence[ReceivedWebhook]) -> dict[str, set[str | None]]:
    """Under which ids each hit was delivered."""
    told: dict[str, set[str | None]] = defaultdict(set)
    for webhook in received:
        more = cast("list[dict[str, object]]", webhook.payload.get("more", []))
        for payload in (webhook.payload, *more):
            told[str(payload["hit_id"])].add(webhook.id)
    return told


@pytest.mark.parametrize(("kind", "n_kills"), [("sqlite", 100), ("postgres", 20)])
def test_killed_at_random_moments(
    kind: str, n_kills: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Acknowledged hits are stored, all are delivered, and each under one id for each target."""
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    else:
        url = f"sqlite:///{tmp_path / 'earmark.db'}"
    database = open_database(url, create=True)
    with (
        running_webhook_receiver(SECRET) as single,
        running_webhook_receiver(SECRET) as grouped,
    ):
        targets = (
            target_at(single.url, name="single"),
            target_at(grouped.url, name="grouped", group_s=0.3),
        )
        acknowledged = kill_often(url, targets, n_kills, seed=20261125)
        asyncio.run(deliver_the_rest(database, targets))
    with database.begin() as connection:
        stored = {hit.id for hit in hits.hits_of(connection, "RM_1")}
        (n_dead,) = connection.execute(
            select(func.count()).select_from(OUTBOX).where(OUTBOX.c.delivered_at.is_(None))
        ).one()
    database.close()
    assert len(acknowledged) > n_kills
    assert acknowledged <= stored
    assert n_dead == 0
    for receiver in (single, grouped):
        assert all(webhook.authentic for webhook in receiver.received)
        told = ids_of_hits(receiver.received)
        assert set(told) == stored
        assert {id: ids for id, ids in told.items() if len(ids) != 1} == {}
    assert any(webhook.payload["count"] != 1 for webhook in grouped.received)
