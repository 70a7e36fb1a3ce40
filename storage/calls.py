"""Calls and who took part in them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from rules.types import Role
from storage.call_lock import lock_call
from storage.queue_summary import refresh_queued
from storage.tables import CALLS, PARTICIPANTS
from storage.upsert import insert_if_new, upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One LiveKit room session, or a replay of one."""

    room_sid: str
    room_name: str = field(repr=False)
    source: str  # "livekit" or "replay"
    created_at: datetime  # UTC; 0 of the call clock
    ended_at: datetime | None = None  # UTC; None while it lasts, or if nobody saw its end
    rulebook_fingerprint: str | None = None  # None where nobody listened live
    observer_joined_s: float | None = None  # call clock; None where nobody listened live


@dataclass(frozen=True, slots=True, kw_only=True)
class CallParticipant:
    """Somebody on a call."""

    room_sid: str
    identity: str = field(repr=False)
    role: Role | None
    kind: str  # LiveKit's: standard, sip, agent, ...
    joined_s: float  # call clock, first arrival
    left_s: float | None = None  # call clock, last departure; None while there


def save_call(connection: Connection, call: Call) -> None:
    """Insert a call, or overwrite what was known of it.

    A second observer of the same call does not hide that the first joined earlier.
    """
    row = {
        "room_sid": call.room_sid,
        "room_name": call.room_name,
        "source": call.source,
        "created_at": call.created_at,
        "ended_at": call.ended_at,
        "rulebook_fingerprint": call.rulebook_fingerprint,
        "observer_joined_s": call.observer_joined_s,
    }
    lock_call(connection, call.room_sid)
    upsert(connection, CALLS, row, keep=("rulebook_fingerprint",), earliest=("observer_joined_s",))
    refresh_queued(connection, call.room_sid)


def note_call(connection: Connection, call: Call) -> None:
    """Insert a call that nobody observes; one that is known stays as it is."""
    row = {each.name: getattr(call, each.name) for each in fields(Call)}
    lock_call(connection, call.room_sid)
    if insert_if_new(connection, CALLS, row):
        refresh_queued(connection, call.room_sid)


def end_unobserved_call(connection: Connection, room_sid: str, ended_at: datetime) -> None:
    """Note the end of a call that nobody observes.

    Of an observed one the observer tells the end: that it did not would be hidden otherwise.
    """
    connection.execute(
        update(CALLS)
        .where(
            CALLS.c.room_sid == room_sid,
            CALLS.c.observer_joined_s.is_(None),
            CALLS.c.ended_at.is_(None),
        )
        .values(ended_at=ended_at)
    )


def end_call(connection: Connection, room_sid: str, ended_at: datetime) -> bool:
    """Note when a call ended.

    Returns:
        Whether the call is known.
    """
    statement = update(CALLS).where(CALLS.c.room_sid == room_sid).values(ended_at=ended_at)
    return connection.execute(statement).rowcount == 1


def get_call(connection: Connection, room_sid: str) -> Call | None:
    """The call, None where it is not known."""
    found = _select(connection, CALLS.c.room_sid == room_sid)
    return found[0] if found else None


def calls_on(connection: Connection, day: date) -> tuple[Call, ...]:
    """Calls that began on a day of UTC, in order of their beginning."""
    start = datetime.combine(day, time(), UTC)
    return _select(
        connection, CALLS.c.created_at >= start, CALLS.c.created_at < start + timedelta(days=1)
    )


def calls_since(connection: Connection, since: datetime) -> tuple[Call, ...]:
    """Calls that began at `since` or later, in order of their beginning."""
    return _select(connection, CALLS.c.created_at >= since)


def save_participant(connection: Connection, participant: CallParticipant) -> None:
    """Insert a participant, or note that one came back or got a role.

    The first arrival stays, and a role that is known is not forgotten.
    """
    row = {
        "room_sid": participant.room_sid,
        "identity": participant.identity,
        "role": participant.role.value if participant.role else None,
        "kind": participant.kind,
        "joined_s": participant.joined_s,
        "left_s": participant.left_s,
    }
    lock_call(connection, participant.room_sid)
    upsert(connection, PARTICIPANTS, row, keep=("role",), earliest=("joined_s",))
    refresh_queued(connection, participant.room_sid)


def participant_left(connection: Connection, room_sid: str, identity: str, left_s: float) -> bool:
    """Note when a participant left.

    Returns:
        Whether the participant is known.
    """
    statement = (
        update(PARTICIPANTS)
        .where(PARTICIPANTS.c.room_sid == room_sid, PARTICIPANTS.c.identity == identity)
        .values(left_s=left_s)
    )
    return connection.execute(statement).rowcount == 1


def participants_of(connection: Connection, room_sid: str) -> tuple[CallParticipant, ...]:
    """Who took part in a call, in order of arrival."""
    rows = connection.execute(
        select(PARTICIPANTS)
        .where(PARTICIPANTS.c.room_sid == room_sid)
        .order_by(PARTICIPANTS.c.joined_s, PARTICIPANTS.c.identity)
    ).mappings()
    return tuple(_participant(row) for row in rows)


def _select(connection: Connection, *where: ColumnElement[bool]) -> tuple[Call, ...]:
    rows = connection.execute(
        select(CALLS).where(*where).order_by(CALLS.c.created_at, CALLS.c.room_sid)
    ).mappings()
    return tuple(Call(**row) for row in rows)


def _participant(row: RowMapping) -> CallParticipant:
    values = dict(row)
    role = values.pop("role")
    return CallParticipant(role=Role(role) if role else None, **values)
