"""Queued alerts are posted until they are taken, under one id, and given up in the end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from realtime.guard import Allowed, Guard
from realtime.pump import AlertPump
from realtime.targets import Target, TargetKind
from rules.types import HitState, Severity
from storage import departures, letters
from storage.database import Database, open_database
from tests.realtime.builders import SECRET, alert, hit, ledger_of, target_at
from tests.servers.webhooks import running_webhook_receiver

OTHER_SECRET = "whsec_" + "b3RoZXItb3RoZXItb3RoZXItb3RoZXI="
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    yield database
    database.close()


async def queue(database: Database, *ids: str, targets: tuple[Target, ...] = ()) -> None:
    """Queue alerts as a call does."""
    ledger = ledger_of(database, *targets)
    ledger.start()
    ledger.joined(0.5)
    for id_ in ids:
        await ledger.publish(alert(hit(id=id_)))
    await ledger.close()


async def deliver(database: Database, *targets: Target, allowed: str = "127.0.0.1") -> int:
    """One round of deliveries."""
    guard = Guard(Allowed.parse([allowed]))
    return await AlertPump(database, targets, guard=guard).deliver_due()


def listed(database: Database) -> tuple[letters.Letter, ...]:
    """What became of all deliveries."""
    with database.begin() as connection:
        return letters.letters(connection, limit=50)


async def test_each_alert_is_posted_once(database: Database) -> None:
    """Deliveries are signed and carry the hit; the same hit queued twice is one delivery."""
    await queue(database, "a", "b", "a")
    with running_webhook_receiver(SECRET) as receiver:
        target = target_at(receiver.url)
        assert await deliver(database, target) == 2
        assert await deliver(database, target) == 0
    assert sorted(str(webhook.payload["hit_id"]) for webhook in receiver.received) == ["a", "b"]
    assert all(webhook.authentic for webhook in receiver.received)


@pytest.mark.parametrize("known", [SECRET, OTHER_SECRET])
async def test_a_secret_is_changed_without_a_gap(database: Database, known: str) -> None:
    """With two secrets, a receiver that knows either of them finds a signature that fits."""
    await queue(database, "a")
    with running_webhook_receiver(known) as receiver:
        await deliver(database, target_at(receiver.url, secrets=(OTHER_SECRET, SECRET)))
    assert [webhook.authentic for webhook in receiver.received] == [True]


async def test_a_failed_delivery_waits_for_its_time(database: Database) -> None:
    """A server error leaves the delivery queued, to be tried later under the same id."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET, statuses=[503]) as receiver:
        assert await deliver(database, target_at(receiver.url)) == 1
        assert await deliver(database, target_at(receiver.url)) == 0  # not due yet
        with database.begin() as connection:
            (later,) = departures.due(connection, now=LATER, limit=5)
    assert later.id == receiver.received[0].id
    assert later.attempts == 1  # before the one that is taken here


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_final_answer_ends_it(database: Database, status: int) -> None:
    """What the receiver will never take is dead at once, and leaves again when it is replayed."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET, statuses=[status]) as receiver:
        assert await deliver(database, target_at(receiver.url)) == 1
        (dead,) = listed(database)
        assert (dead.fate, dead.last_error) == (letters.Fate.DEAD, f"status {status}")
        with database.begin() as connection:
            assert letters.replay(connection, now=datetime.now(UTC), ids=[dead.id]) == (dead.id,)
        assert await deliver(database, target_at(receiver.url)) == 1
    assert [webhook.id for webhook in receiver.received] == [dead.id, dead.id]
    assert listed(database)[0].fate is letters.Fate.DELIVERED


async def test_an_unreachable_receiver_is_no_end(database: Database) -> None:
    """A refused connection is a failed try like any other."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET) as receiver:
        pass
    assert await deliver(database, target_at(receiver.url)) == 1
    (waits,) = listed(database)
    assert (waits.fate, waits.last_error) == (letters.Fate.WAITING, "ConnectError")


async def test_a_redirect_is_not_followed(database: Database) -> None:
    """An answer that points elsewhere is a failure: what was checked must stay the target."""
    await queue(database, "a")
    with (
        running_webhook_receiver(SECRET) as elsewhere,
        running_webhook_receiver(
            SECRET, statuses=[302], headers={"location": elsewhere.url}
        ) as receiver,
    ):
        await deliver(database, target_at(receiver.url))
    assert elsewhere.received == []
    assert listed(database)[0].last_error == "status 302"


async def test_a_private_address_is_refused(database: Database) -> None:
    """Nothing is sent to one's own network unless the settings allow it."""
    await queue(database, "a")
    with running_webhook_receiver(SECRET) as receiver:
        await deliver(database, target_at(receiver.url), allowed="10.0.0.1")
        assert receiver.received == []
    assert listed(database)[0].last_error == "address refused"


async def test_three_kinds_of_targets(database: Database) -> None:
    """Each target gets what its filters let through, in its form; one's failure is its own."""
    with (
        running_webhook_receiver(SECRET, statuses=[500]) as failing,
        running_webhook_receiver(SECRET) as receiver,
    ):
        targets = (
            target_at(failing.url, name="failing"),
            target_at(receiver.url, name="chat", kind=TargetKind.SLACK, secrets=()),
            target_at(
                receiver.url,
                name="pager",
                kind=TargetKind.PAGERDUTY,
                secrets=(),
                routing_key="hush",
                min_severity=Severity.CRITICAL,
            ),
            target_at(receiver.url, name="other", rules=("conduct.*",)),
        )
        await queue(database, "a", targets=targets)
        assert await deliver(database, *targets) == 3
    chat, pager = sorted((w.payload for w in receiver.received), key=lambda p: "event_action" in p)
    assert "blocks" in chat
    assert (pager["event_action"], pager["dedup_key"]) == ("trigger", "earmark-RM_1-a")
    fates = {each.target: each.fate.value for each in listed(database)}
    assert fates == {"failing": "waiting", "chat": "delivered", "pager": "delivered"}


async def test_grouping_survives_a_restart(database: Database, tmp_path: Path) -> None:
    """Hits that were collected by a process that is gone leave as one message of another."""
    with running_webhook_receiver(SECRET) as receiver:
        target = target_at(receiver.url, group_s=0.6)
        await queue(database, "a", "b", "c", targets=(target,))
        assert await deliver(database, target) == 1
        again = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
        tried = 0
        while not tried:  # until the time is over in which hits are collected
            tried = await deliver(again, target)
        again.close()
    assert tried == 1
    first, collected = (webhook.payload for webhook in receiver.received)
    assert (first["hit_id"], first["count"]) == ("a", 1)
    assert (collected["hit_id"], collected["count"]) == ("b", 2)
    assert [more["hit_id"] for more in collected["more"]] == ["c"]  # type: ignore[attr-defined]
    assert {each.fate for each in listed(database)} == {letters.Fate.DELIVERED}


async def test_a_person_is_not_told_of_a_guess(database: Database) -> None:
    """A target without provisional hits hears of one first when it is confirmed, as an alert."""
    target = target_at(provisional=False)
    ledger = ledger_of(database, target)
    ledger.start()
    for id_, state in (("a", HitState.CONFIRMED), ("b", HitState.RETRACTED)):
        guess = alert(replace(hit(id=id_), state=HitState.PROVISIONAL))
        await ledger.publish(guess)
        settled = replace(guess.hit, state=state)
        await ledger.publish(replace(guess, hit=settled, is_update=True))
    await ledger.close()
    with database.begin() as connection:
        due = departures.due(connection, now=LATER, limit=9)
    assert [(d.hit_id, d.payload["type"]) for d in due] == [("a", "compliance_alert")]
