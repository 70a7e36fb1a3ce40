from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from rules.types import Role
from storage import calls
from storage.calls import CallParticipant
from storage.database import Database
from tests.storage.builders import NOW, call


def test_save_and_end(database: Database) -> None:
    """A call is kept as it was given, and its end is added."""
    with database.begin() as connection:
        calls.save_call(connection, call())
    with database.begin() as connection:
        assert calls.get_call(connection, "RM_1") == call()
        assert calls.end_call(connection, "RM_1", NOW + timedelta(minutes=2))
    with database.begin() as connection:
        expected = call(ended_at=NOW + timedelta(minutes=2))
        assert calls.get_call(connection, "RM_1") == expected


def test_unknown_call(database: Database) -> None:
    """A call that nobody saved is None, and cannot be ended."""
    with database.begin() as connection:
        assert calls.get_call(connection, "RM_x") is None
        assert not calls.end_call(connection, "RM_x", NOW)


def test_second_observer(database: Database) -> None:
    """A call that is observed again is open again, and the first joining stays."""
    with database.begin() as connection:
        calls.save_call(connection, call(observer_joined_s=1.5, ended_at=NOW))
        calls.save_call(connection, call(observer_joined_s=30.0, rulebook_fingerprint="book-2"))
        expected = call(observer_joined_s=1.5, rulebook_fingerprint="book-2")
        assert calls.get_call(connection, "RM_1") == expected
        calls.save_call(connection, call(observer_joined_s=None, rulebook_fingerprint=None))
        assert calls.get_call(connection, "RM_1") == expected


def test_joining_of_a_call_that_was_not_observed(database: Database) -> None:
    """A joining time is taken where there was none."""
    with database.begin() as connection:
        calls.save_call(connection, call(observer_joined_s=None))
        calls.save_call(connection, call(observer_joined_s=4.0))
        assert calls.get_call(connection, "RM_1") == call(observer_joined_s=4.0)


def test_times_of_other_zones(database: Database) -> None:
    """A time of another zone comes back as the same moment in UTC."""
    local = NOW.astimezone(timezone(timedelta(hours=-7)))
    with database.begin() as connection:
        calls.save_call(connection, call(created_at=local))
        found = calls.get_call(connection, "RM_1")
    assert found is not None
    assert found.created_at == NOW
    assert found.created_at.tzinfo is UTC


def test_by_day_and_since(database: Database) -> None:
    """A day of UTC goes from midnight to midnight, half open; both lists are in order."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    a_moment = timedelta(microseconds=1)
    began = {
        "RM_d": midnight + timedelta(days=1),
        "RM_c": midnight + timedelta(days=1) - a_moment,
        "RM_b": midnight,
        "RM_a": midnight - a_moment,
    }
    with database.begin() as connection:
        for room_sid, created_at in began.items():
            calls.save_call(connection, call(room_sid=room_sid, created_at=created_at))
        on = calls.calls_on(connection, midnight.date())
        since = calls.calls_since(connection, midnight)
    assert [found.room_sid for found in on] == ["RM_b", "RM_c"]
    assert [found.room_sid for found in since] == ["RM_b", "RM_c", "RM_d"]


def test_participants(database: Database) -> None:
    """A participant that leaves and comes back keeps the first arrival and the known role."""
    ann = CallParticipant(
        room_sid="RM_1", identity="ann", role=Role.AGENT, kind="standard", joined_s=2.0
    )
    bob = CallParticipant(room_sid="RM_1", identity="bob", role=None, kind="sip", joined_s=1.0)
    with database.begin() as connection:
        calls.save_participant(connection, ann)
        calls.save_participant(connection, bob)
        assert calls.participant_left(connection, "RM_1", "ann", 9.0)
        assert not calls.participant_left(connection, "RM_1", "eve", 9.0)
        assert calls.participants_of(connection, "RM_1") == (bob, replace(ann, left_s=9.0))
        calls.save_participant(connection, replace(ann, role=None, joined_s=12.0))
        assert calls.participants_of(connection, "RM_1") == (bob, ann)
        assert calls.participants_of(connection, "RM_2") == ()


def test_repr_hides_people() -> None:
    """Rows in a log show neither identities nor room names."""
    person = CallParticipant(
        room_sid="RM_1", identity="+15550100", role=None, kind="sip", joined_s=0.0
    )
    assert "5550100" not in repr(person)
    assert "support-42" not in repr(call())
