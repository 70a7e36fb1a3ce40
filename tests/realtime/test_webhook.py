"""Queued alerts are posted until they are taken, under one id, and given up in the end."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from realtime.webhook import WebhookPump
from storage import outbox
from storage.database import Database, open_database
from tests.realtime.builders import SECRET, alert, hit, ledger_of
from tests.servers.webhooks import WebhookReceiver, running_webhook_receiver


@pytest.fixture
def database(tmp_path: Path):
    """An empty database."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    yield database
    database.close()


async def queue(database: Database, *ids: str) -> None:
    """Queue alerts as a call does."""
    ledger = ledger_of(database)
    ledger.start()
    ledger.joined(0.5)
    for id_ in ids:
        await ledger.publish(alert(hit(id=id_)))
    await ledger.close()


async def deliver(database: Database, receiver: WebhookReceiver) -> int:
    """One round of deliveries."""
    pump = WebhookPump(database, url=receiver.url, secret=SECRET)
    async with httpx.AsyncClient() as client:
        return await pump.deliver_due(client)


async def test_each_alert_is_posted_once(database: Database) -> None:
    """Deliveries are signed and carry the hit; the same hit queued twice is one delivery."""
    await queue(database, "a", "b", "a")
    with running_webhook_receiver(SECRET) as receiver:
        assert await deliver(database, receiver) == 2
        assert await deliver(database, receiver) == 0
    assert sorted(str(webhook.payload["hit_id"]) for webhook in receiver.received) == ["a", "b"]
    assert all(webhook.authentic for webhook in receiver.received)


async def test_a_failed_delivery_waits_for_its_time(database: Database) -> None:
    """A server error leaves the delivery queued, to be tried later under the same id."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET, statuses=[503]) as receiver:
        assert await deliver(database, receiver) == 1
        assert await deliver(database, receiver) == 0  # not due yet
        with database.begin() as connection:
            (later,) = outbox.due(connection, now=datetime(2030, 1, 1, tzinfo=UTC), limit=5)
    assert later.id == receiver.received[0].id
    assert later.attempts == 1  # before the one that is taken here


async def test_a_receiver_that_is_gone_is_left_alone(database: Database) -> None:
    """Status 410 ends the delivery for good."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET, statuses=[410]) as receiver:
        assert await deliver(database, receiver) == 1
    with database.begin() as connection:
        assert outbox.due(connection, now=datetime(2030, 1, 1, tzinfo=UTC), limit=5) == ()


async def test_an_unreachable_receiver_is_no_end(database: Database) -> None:
    """A refused connection is a failed try like any other."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET) as receiver:
        pass
    assert await deliver(database, receiver) == 1
    with database.begin() as connection:
        assert len(outbox.due(connection, now=datetime(2030, 1, 1, tzinfo=UTC), limit=5)) == 1
