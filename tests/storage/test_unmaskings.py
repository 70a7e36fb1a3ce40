"""What a session may see and hear unmasked, and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.call_rows import delete_call
from storage.database import Database
from storage.unmaskings import GRANT_TIME, Unmasked, grant, granted_until, withdraw
from tests.storage.builders import NOW


def until(
    database: Database,
    *,
    session: str = "s1",
    room_sid: str = "RM_1",
    what: Unmasked = Unmasked.TEXT,
    now: datetime = NOW,
) -> datetime | None:
    with database.begin(read_only=True) as connection:
        return granted_until(
            connection, session_hash=session, room_sid=room_sid, what=what, now=now
        )


def lay_open(database: Database, what: Unmasked = Unmasked.TEXT, now: datetime = NOW) -> datetime:
    with database.begin() as connection:
        return grant(connection, session_hash="s1", room_sid="RM_1", what=what, now=now)


def test_a_grant_is_for_one_session_one_call_and_one_thing(database: Database) -> None:
    """Nothing else is laid open by it."""
    assert lay_open(database) == NOW + GRANT_TIME
    assert until(database) == NOW + GRANT_TIME
    assert until(database, session="s2") is None
    assert until(database, room_sid="RM_2") is None
    assert until(database, what=Unmasked.AUDIO) is None


def test_a_grant_ends_by_itself(database: Database) -> None:
    """At its last moment it is over; a new one begins anew."""
    lay_open(database)
    assert until(database, now=NOW + GRANT_TIME - timedelta(seconds=1)) is not None
    assert until(database, now=NOW + GRANT_TIME) is None
    later = NOW + timedelta(minutes=10)
    assert lay_open(database, now=later) == later + GRANT_TIME
    assert until(database, now=NOW + GRANT_TIME) == later + GRANT_TIME


def test_a_grant_is_withdrawn(database: Database) -> None:
    """Text and sound are covered together."""
    lay_open(database)
    lay_open(database, Unmasked.AUDIO)
    with database.begin() as connection:
        assert withdraw(connection, session_hash="s1", room_sid="RM_1") == 2
    assert until(database) is None
    assert until(database, what=Unmasked.AUDIO) is None


def test_a_grant_goes_with_its_call(database: Database) -> None:
    """When a call's rows are deleted, nobody has anything of it laid open."""
    lay_open(database)
    with database.begin() as connection:
        assert delete_call(connection, "RM_1") == 1
    assert until(database) is None
