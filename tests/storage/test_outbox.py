from __future__ import annotations

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from storage import departures, hits, outbox
from storage.database import Database, open_database
from storage.deliveries import Delivery, Kind, delivery_id
from storage.departures import MAX_ATTEMPTS
from storage.errors import DatabaseRefusedError
from storage.tables import OUTBOX
from tests.storage.builders import NOW, hit

PAYLOAD = {"rule": "pii.card-number", "start_s": 3.25, "parts": [1, None], "excerpt": "****1111"}


def enqueue(database: Database, *ids: str, now: datetime = NOW) -> list[str]:
    with database.begin() as connection:
        delivery_ids = []
        for id in ids:
            hits.save_hit(connection, "RM_1", hit(id=id), recorded_at=now)
            delivery_ids.append(
                outbox.enqueue(
                    connection,
                    room_sid="RM_1",
                    hit_id=id,
                    target="webhook",
                    payload=PAYLOAD,
                    now=now,
                )
            )
        return delivery_ids


def due(database: Database, after_s: float = 0, **options: float) -> tuple[Delivery, ...]:
    with database.begin() as connection:
        return departures.due(connection, now=NOW + timedelta(seconds=after_s), limit=10, **options)


def row(database: Database, id: str) -> dict[str, object]:
    with database.begin() as connection:
        found = connection.execute(OUTBOX.select().where(OUTBOX.c.delivery_id == id))
        return dict(found.mappings().one())


def test_enqueue_and_take(database: Database) -> None:
    """A delivery is due at once, with what was put in, and is taken once."""
    (id,) = enqueue(database, "h1")
    expected = Delivery(
        id=id,
        room_sid="RM_1",
        hit_id="h1",
        target="webhook",
        kind=Kind.ALERT,
        payload=PAYLOAD,
        created_at=NOW,
        attempts=0,
    )
    assert due(database) == (expected,)
    assert due(database) == ()


def test_enqueue_again(database: Database) -> None:
    """The same hit and target give the same id, and are queued once, even when delivered."""
    (id,) = enqueue(database, "h1")
    assert enqueue(database, "h1") == [id]
    assert len(due(database)) == 1
    with database.begin() as connection:
        departures.mark_delivered(connection, id, now=NOW)
    enqueue(database, "h1")
    assert due(database, after_s=10_000) == ()


def test_ids_differ(database: Database) -> None:
    """Rooms, hits and targets make different deliveries."""
    ids = {
        delivery_id("RM_1", "h1", "webhook"),
        delivery_id("RM_2", "h1", "webhook"),
        delivery_id("RM_1", "h2", "webhook"),
        delivery_id("RM_1", "h1", "mail"),
        delivery_id("RM_1h", "1", "webhook"),
    }
    assert len(ids) == 5


def test_delivery_needs_its_hit(database: Database) -> None:
    """What tells of no hit is refused, so a delivery is never committed without one."""
    with pytest.raises(DatabaseRefusedError), database.begin() as connection:
        outbox.enqueue(
            connection, room_sid="RM_1", hit_id="none", target="webhook", payload={}, now=NOW
        )


def test_rolled_back_hit_is_not_delivered(database: Database) -> None:
    """Hit and delivery are written together or not at all."""
    with contextlib.suppress(ZeroDivisionError), database.begin() as connection:
        hits.save_hit(connection, "RM_1", hit(), recorded_at=NOW)
        outbox.enqueue(
            connection, room_sid="RM_1", hit_id="h1", target="webhook", payload={}, now=NOW
        )
        _ = 1 / 0
    assert due(database) == ()


def test_dead_worker_gives_back(database: Database) -> None:
    """What a worker took and never settled is due again after its lease."""
    enqueue(database, "h1")
    assert len(due(database, lease_s=60)) == 1
    assert due(database, after_s=59) == ()
    (again,) = due(database, after_s=60)
    assert again.attempts == 1


def test_failure_is_tried_again(database: Database) -> None:
    """A failed delivery waits until its next time; its attempts are counted."""
    (id,) = enqueue(database, "h1")
    due(database)
    with database.begin() as connection:
        departures.mark_failed(
            connection,
            id,
            error="status 503",
            next_attempt_at=NOW + timedelta(seconds=5),
            now=NOW,
        )
    assert due(database, after_s=4) == ()
    (again,) = due(database, after_s=5)
    assert (again.id, again.attempts) == (id, 1)
    assert row(database, id)["last_error"] == "status 503"


def test_given_up(database: Database) -> None:
    """A delivery without a next time is dead, and not due again."""
    (id,) = enqueue(database, "h1")
    due(database)
    with database.begin() as connection:
        departures.mark_failed(connection, id, error="status 410", next_attempt_at=None, now=NOW)
    assert due(database, after_s=1e6) == ()
    assert row(database, id)["dead_at"] == NOW


def test_delivered_stays_delivered(database: Database) -> None:
    """A late failure of a second worker does not undo a delivery."""
    (id,) = enqueue(database, "h1")
    with database.begin() as connection:
        departures.mark_delivered(connection, id, now=NOW)
        departures.mark_delivered(connection, id, now=NOW + timedelta(hours=1))
        departures.mark_failed(connection, id, error="x", next_attempt_at=NOW, now=NOW)
    assert due(database, after_s=1e6) == ()
    stored = row(database, id)
    assert (stored["delivered_at"], stored["last_error"]) == (NOW, None)


def test_deadly_delivery_ends(database: Database) -> None:
    """A delivery whose takers all die is given up in the end."""
    (id,) = enqueue(database, "h1")
    takes = [len(due(database, after_s=n, lease_s=1)) for n in range(MAX_ATTEMPTS + 5)]
    assert sum(takes) == MAX_ATTEMPTS
    assert row(database, id)["last_error"] == "too many attempts"


def test_order_and_limit(database: Database) -> None:
    """The longest waiting come first, no more than asked for."""
    for n, name in enumerate(["c", "a", "b"]):
        enqueue(database, name, now=NOW + timedelta(seconds=n))
    with database.begin() as connection:
        later = NOW + timedelta(minutes=1)
        first = departures.due(connection, now=later, limit=2)
        rest = departures.due(connection, now=later, limit=2)
    assert [each.hit_id for each in first + rest] == ["c", "a", "b"]


def test_workers_never_take_the_same(database_url: str, database: Database) -> None:
    """Workers that take at the same time take different deliveries, and together all."""
    ids = enqueue(database, *(f"h{n}" for n in range(60)))
    start = threading.Barrier(4)

    def take_all() -> list[str]:
        own = open_database(database_url)
        taken = []
        start.wait()
        try:
            # SKIP LOCKED may show nothing while others hold everything: so look a few times.
            for _ in range(40):
                with own.begin() as connection:
                    batch = departures.due(connection, now=NOW, limit=5)
                taken += [delivery.id for delivery in batch]
        finally:
            own.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        takers = [pool.submit(take_all) for _ in range(4)]
        taken = Counter(id for taker in takers for id in taker.result())
    assert taken == Counter(ids)


@pytest.mark.slow
def test_taken_rows_are_skipped_not_waited_for(postgres_url: str) -> None:
    """On PostgreSQL a worker does not wait for what another is just taking."""
    database = open_database(postgres_url)
    ids = enqueue(database, "h1", "h2")
    try:
        with database.begin() as one, database.begin() as two:
            first = departures.due(one, now=NOW, limit=1)
            second = departures.due(two, now=NOW, limit=2)
        assert sorted(each.id for each in first + second) == sorted(ids)
    finally:
        with database.begin() as connection:
            connection.exec_driver_sql("TRUNCATE hits, outbox")
        database.close()
