"""What became of deliveries can be seen, and what is dead can be sent again under its id."""

from __future__ import annotations

from datetime import timedelta

from storage import departures, hits, letters, outbox
from storage.database import Database
from storage.deliveries import Kind, delivery_id
from storage.letters import Fate
from tests.storage.builders import NOW, hit


def queue(database: Database, *ids: str, group_s: float = 0) -> None:
    """Queue alerts."""
    with database.begin() as connection:
        for n, id in enumerate(ids):
            hits.save_hit(connection, "RM_1", hit(id=id), recorded_at=NOW)
            outbox.enqueue(
                connection, room_sid="RM_1", hit_id=id, target="pager",
                payload={"rule": "pii.card-number"}, now=NOW + timedelta(seconds=n),
                group="g", group_s=group_s,
            )  # fmt: skip


def retract(database: Database, id: str) -> str | None:
    """Take one back."""
    with database.begin() as connection:
        return outbox.retract(
            connection, room_sid="RM_1", hit_id=id, target="pager", payload={}, now=NOW
        )


def end(database: Database, *, after_s: float = 60, error: str | None = None) -> list[str]:
    """Take what is due; it arrives, or is given up.

    Returns:
        The ids of the messages.
    """
    now = NOW + timedelta(seconds=after_s)
    with database.begin() as connection:
        due = departures.due(connection, now=now, limit=10)
        for each in due:
            if error is None:
                departures.mark_delivered(connection, each.id, now=now)
            else:
                departures.mark_failed(
                    connection, each.id, error=error, next_attempt_at=None, now=now
                )
    return [each.id for each in due]


def replay(database: Database, *ids: str) -> tuple[str, ...]:
    """Queue dead ones again, or all of them."""
    with database.begin() as connection:
        return letters.replay(connection, now=NOW + timedelta(seconds=90), ids=ids or None)


def fates(database: Database, *, dead: bool = False) -> list[tuple[str, Kind, Fate, str | None]]:
    """Hits, kinds, what became of them and why, newest first."""
    with database.begin(read_only=True) as connection:
        found = letters.letters(connection, dead=dead, limit=50)
    return [(each.hit_id, each.kind, each.fate, each.last_error) for each in found]


def test_fates(database: Database) -> None:
    """Waiting, delivered, dead and cancelled ones are told apart, the newest first."""
    queue(database, "a")
    end(database, error="status 410")
    queue(database, "x", "b", "c")
    with database.begin() as connection:
        departures.mark_delivered(connection, delivery_id("RM_1", "b", "pager"), now=NOW)
    retract(database, "c")
    queue(database, "x", "y", "z", "d")
    assert fates(database)[:3] == [
        ("d", Kind.ALERT, Fate.WAITING, None),
        ("z", Kind.ALERT, Fate.WAITING, None),
        ("c", Kind.ALERT, Fate.CANCELLED, None),
    ]
    assert ("b", Kind.ALERT, Fate.DELIVERED, None) in fates(database)
    assert fates(database, dead=True) == [("a", Kind.ALERT, Fate.DEAD, "status 410")]


def test_replay(database: Database) -> None:
    """A dead delivery is due again at once, under its id; others are left alone."""
    queue(database, "a", "b")
    ids = end(database, error="status 404")
    assert replay(database, ids[0], "dl_unknown") == (ids[0],)
    assert end(database, after_s=90) == [ids[0]]
    assert replay(database, ids[0]) == ()
    assert replay(database) == (ids[1],)


def test_replay_of_a_message(database: Database) -> None:
    """What was collected is queued together, by the id of the message or of one of its hits."""
    queue(database, "a", "b", "c", group_s=30)
    end(database, after_s=5)
    (message,) = end(database, error="status 404")
    members = tuple(sorted(delivery_id("RM_1", id, "pager") for id in "bc"))
    other = next(id for id in members if id != message)
    assert replay(database, other) == members
    assert end(database, after_s=90) == [message]


def test_replay_with_its_retraction(database: Database) -> None:
    """With a dead alert goes its retraction, after it; and a later one does not cancel it."""
    queue(database, "a")
    (alert,) = end(database, error="status 404")
    retraction = retract(database, "a")
    assert retraction is not None
    assert fates(database, dead=True)[0][3] is not None
    assert replay(database, alert) == tuple(sorted((alert, retraction)))
    assert end(database, after_s=90) == [alert]
    assert end(database, after_s=90) == [retraction]
