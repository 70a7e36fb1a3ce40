"""What a target learns of one hit over time, and of several that come together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from rules.types import HitState
from storage import departures, hits, outbox
from storage.database import Database
from storage.deliveries import Delivery, Kind, delivery_id
from storage.tables import OUTBOX
from tests.storage.builders import NOW, hit

PROVISIONAL, CONFIRMED, RETRACTED = HitState
ALERT, RETRACTION = Kind


def queue(
    database: Database,
    state: HitState = CONFIRMED,
    *,
    id: str = "h1",
    after_s: float = 0,
    target: str = "pager",
    group: str | None = None,
    renew: bool = False,
) -> str | None:
    """Queue what is known of a hit, as a call does."""
    now = NOW + timedelta(seconds=after_s)
    with database.begin() as connection:
        hits.save_hit(connection, "RM_1", hit(id=id, state=state), recorded_at=now)
        payload = {"hit_id": id, "state": state.value}
        if state is RETRACTED:
            return outbox.retract(
                connection, room_sid="RM_1", hit_id=id, target=target, payload=payload, now=now
            )
        return outbox.enqueue(
            connection,
            room_sid="RM_1",
            hit_id=id,
            target=target,
            payload=payload,
            now=now,
            group=group,
            group_s=30 if group else 0,
            renew=renew,
        )


def take(
    database: Database, after_s: float = 0, targets: list[str] | None = None
) -> list[Delivery]:
    """What is due, with its lease taken."""
    with database.begin() as connection:
        now = NOW + timedelta(seconds=after_s)
        return [*departures.due(connection, now=now, limit=10, targets=targets)]


def arrive(database: Database, *deliveries: Delivery) -> None:
    """They were delivered."""
    with database.begin() as connection:
        for delivery in deliveries:
            departures.mark_delivered(connection, delivery.id, now=NOW)


def give_up(database: Database, *deliveries: Delivery) -> None:
    """They were given up."""
    with database.begin() as connection:
        for delivery in deliveries:
            departures.mark_failed(
                connection, delivery.id, error="status 404", next_attempt_at=None, now=NOW
            )


def told(deliveries: list[Delivery]) -> list[tuple[str, Kind, object]]:
    """Hits, what is told of them, and their states, in order."""
    return [(each.hit_id, each.kind, each.payload["state"]) for each in deliveries]


def test_alert_and_retraction(database: Database) -> None:
    """A hit that is told of, then taken back, has two deliveries, each with an id of its own."""
    first = queue(database, PROVISIONAL)
    assert first == delivery_id("RM_1", "h1", "pager")
    arrive(database, *take(database))
    second = queue(database, RETRACTED)
    assert second == delivery_id("RM_1", "h1", "pager", RETRACTION)
    assert first != second
    assert told(take(database)) == [("h1", RETRACTION, "retracted")]


def test_a_retraction_waits(database: Database) -> None:
    """What takes back an alert that has left is not due before that one has arrived."""
    queue(database, PROVISIONAL)
    (first,) = take(database)
    queue(database, RETRACTED)
    assert take(database) == []
    arrive(database, first)
    assert told(take(database)) == [("h1", RETRACTION, "retracted")]


def test_retraction_of_what_has_not_left(database: Database) -> None:
    """A hit that is taken back before its alert left is told of nowhere, not even later."""
    queue(database, PROVISIONAL)
    assert queue(database, RETRACTED) is None
    assert queue(database, PROVISIONAL) is not None  # a writer that tries again changes nothing
    assert queue(database, RETRACTED) is None
    assert take(database, after_s=1e5) == []


def test_retraction_of_what_was_never_told(database: Database) -> None:
    """A target that was not told of a hit is not told of its end."""
    assert queue(database, RETRACTED) is None
    assert take(database) == []


def test_confirmation_of_what_has_not_left(database: Database) -> None:
    """An alert that has not left leaves with what is known by then, under the same id."""
    first = queue(database, PROVISIONAL)
    assert queue(database, CONFIRMED, renew=True) == first
    assert queue(database, PROVISIONAL) == first  # a writer that tries again changes nothing
    assert told(take(database)) == [("h1", ALERT, "confirmed")]


def test_confirmation_of_what_has_left(database: Database) -> None:
    """An alert that has left once stays as it was at each further attempt, and is no second one."""
    queue(database, PROVISIONAL)
    (first,) = take(database)
    queue(database, CONFIRMED, renew=True)
    assert told(take(database, after_s=1e3)) == [("h1", ALERT, "provisional")]
    arrive(database, first)
    assert take(database, after_s=1e5) == []


@pytest.mark.parametrize("dies_first", [True, False])
def test_what_follows_a_dead_letter_dies(database: Database, dies_first: bool) -> None:
    """A target that would not take the first telling is not sent the second."""
    queue(database, PROVISIONAL)
    (first,) = take(database)
    if dies_first:
        give_up(database, first)
        queue(database, RETRACTED)
    else:
        queue(database, RETRACTED)
        give_up(database, first)
    assert take(database, after_s=1e5) == []
    with database.begin() as connection:
        dead = connection.execute(select(OUTBOX.c.dead_at)).scalars().all()
    assert None not in dead


def test_targets_are_apart(database: Database) -> None:
    """One target's trouble holds up no other, and each takes only its own."""
    for target in ("slow", "pager"):
        queue(database, PROVISIONAL, target=target)
    (_held,) = take(database, targets=["slow"])
    arrive(database, *take(database, targets=["pager"]))
    for target in ("slow", "pager"):
        queue(database, RETRACTED, target=target)
    assert told(take(database, targets=["slow", "pager"])) == [("h1", RETRACTION, "retracted")]


def test_a_target_that_nobody_has(database: Database) -> None:
    """What is for a target that was taken out of the settings is given up after a week."""
    queue(database, target="gone")
    with database.begin() as connection:
        for days in (6, 8):
            now = NOW + timedelta(days=days)
            departures.end_unserved(connection, now=now, targets=["pager"])
            dead = connection.execute(select(OUTBOX.c.dead_at)).scalar()
            assert dead == (now if days == 8 else None)
        assert connection.execute(select(OUTBOX.c.last_error)).scalar() == "no target has this name"


def test_looking_takes_nothing(database: Database) -> None:
    """Whether something is due can be seen without taking it."""
    queue(database)
    for name, expected in (("pager", True), ("other", False)):
        with database.begin(read_only=True) as connection:
            assert departures.is_due(connection, now=NOW, targets=[name]) is expected
    assert len(take(database)) == 1


def test_group(database: Database) -> None:
    """The first hit leaves at once, those of the next thirty seconds as one message, then anew."""
    for n, after_s in enumerate([0, 5, 10, 29.9, 30, 31]):
        queue(database, id=f"h{n}", after_s=after_s, group="card")
    first = take(database, after_s=29.95)
    assert told(first) == [("h0", ALERT, "confirmed")]
    collected, anew = take(database, after_s=30)
    assert [collected.hit_id, *(more["hit_id"] for more in collected.more)] == ["h1", "h2", "h3"]
    assert (anew.hit_id, anew.more) == ("h4", ())
    (second,) = take(database, after_s=60)
    assert (second.hit_id, second.more) == ("h5", ())


def test_group_of_rules_calls_and_targets(database: Database) -> None:
    """Hits of another rule or for another target are not collected together."""
    queue(database, id="a", group="card")
    queue(database, id="b", group="ssn")
    queue(database, id="c", group="card", target="mail")
    assert sorted(delivery.hit_id for delivery in take(database)) == ["a", "b", "c"]


def test_group_is_settled_when_taken(database: Database) -> None:
    """A message of several hits has the same id and hits at each attempt; a late hit is another."""
    for n in range(3):
        queue(database, id=f"h{n}", after_s=n, group="card")
    arrive(database, *take(database))
    (message,) = take(database, after_s=30)
    with database.begin() as connection:
        departures.mark_failed(connection, message.id, error="x", next_attempt_at=NOW, now=NOW)
        # Written by somebody whose clock is behind, after the message was taken.
    queue(database, id="late", after_s=3, group="card")
    again, late = sorted(take(database, after_s=40), key=lambda each: each.hit_id)
    assert (again.id, again.more, again.attempts) == (message.id, message.more, 1)
    assert (late.hit_id, late.more) == ("late", ())
    arrive(database, again, late)
    assert take(database, after_s=1e5) == []


def test_retraction_of_a_collected_hit(database: Database) -> None:
    """A collected hit that is taken back before the message leaves is not counted."""
    for n in range(4):
        queue(database, PROVISIONAL, id=f"h{n}", after_s=n, group="card")
    arrive(database, *take(database))
    queue(database, RETRACTED, id="h1")
    (message,) = take(database, after_s=30)
    assert [message.hit_id, *(more["hit_id"] for more in message.more)] == ["h2", "h3"]
    queue(database, RETRACTED, id="h3")
    assert take(database, after_s=31) == []  # not before the message has arrived
    arrive(database, message)
    assert told(take(database, after_s=32)) == [("h3", RETRACTION, "retracted")]
