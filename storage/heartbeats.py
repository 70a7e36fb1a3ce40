"""Who observes a call right now, by what the observers themselves say.

The room's own list is no witness: a job that was killed stays in it for a while as a participant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, func, select, text, update

from storage.tables import HEARTBEATS

# An observer says that it lives this often, and counts as lost after three that did not come.
BEAT_S = 5.0
STALE_S = 3 * BEAT_S
_KEY_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What one observer of a call last said of itself."""

    room_sid: str
    job_id: str
    started_at: datetime  # UTC: when it took its seat
    beat_at: datetime  # UTC: when it last wrote
    heard_until_s: float  # call clock: everything said before has been judged and written
    left_at: datetime | None = None  # UTC; None while it listens, and for ever if it was killed

    def is_alive(self, now: datetime) -> bool:
        """Whether somebody listens."""
        return self.left_at is None and now - self.beat_at <= timedelta(seconds=STALE_S)

    @property
    def until(self) -> datetime:
        """When it was last known to listen."""
        return self.left_at or self.beat_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The answer to an observer that wants to observe a call."""

    is_free: bool  # whether it is the observer now
    predecessor: Heartbeat | None  # the last one before it, or the one that is there
    n_earlier: int  # observers that the call has had before; each needs names of its own


def take_seat(connection: Connection, room_sid: str, job_id: str, *, now: datetime) -> Seat:
    """Become the observer of a call, unless another one lives. One of several at once succeeds.

    Args:
        connection: In a transaction of its own.
        room_sid: The call.
        job_id: The job that wants to observe.
        now: UTC.
    """
    if connection.dialect.name == "postgresql":
        # On SQLite the transaction holds the write lock; here nothing is there yet to be locked.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key(room_sid)})
    earlier = heartbeats_of(connection, [room_sid]).get(room_sid, ())
    others = [beat for beat in earlier if beat.job_id != job_id]
    alive = [beat for beat in others if beat.is_alive(now)]
    if alive:
        return Seat(is_free=False, predecessor=alive[0], n_earlier=len(others))
    if len(others) == len(earlier):
        connection.execute(
            HEARTBEATS.insert().values(
                room_sid=room_sid, job_id=job_id, started_at=now, beat_at=now, heard_until_s=0.0
            )
        )
    return Seat(
        is_free=True,
        predecessor=max(others, key=lambda beat: beat.until) if others else None,
        n_earlier=len(others),
    )


def beat(
    connection: Connection, room_sid: str, job_id: str, *, now: datetime, heard_until_s: float
) -> None:
    """Say that an observer lives, and how far it has heard."""
    _update(connection, room_sid, job_id, beat_at=now, heard_until_s=heard_until_s)


def leave(connection: Connection, room_sid: str, job_id: str, *, now: datetime) -> None:
    """Say that an observer leaves by itself."""
    _update(connection, room_sid, job_id, left_at=now)


def is_observed_by_another(
    connection: Connection, room_sid: str, job_id: str, *, now: datetime
) -> bool:
    """Whether an observer besides this one lives."""
    return any(
        beat.is_alive(now) and beat.job_id != job_id
        for beat in heartbeats_of(connection, [room_sid]).get(room_sid, ())
    )


def heartbeats_of(
    connection: Connection, room_sids: Collection[str]
) -> Mapping[str, tuple[Heartbeat, ...]]:
    """The observers of some calls, those that started first before the others."""
    rows = connection.execute(
        select(HEARTBEATS)
        .where(HEARTBEATS.c.room_sid.in_(room_sids))
        .order_by(HEARTBEATS.c.started_at, HEARTBEATS.c.job_id)
    ).mappings()
    found: dict[str, list[Heartbeat]] = {}
    for row in rows:
        found.setdefault(row["room_sid"], []).append(_heartbeat(row))
    return {room_sid: tuple(beats) for room_sid, beats in found.items()}


def oldest_beat(connection: Connection, *, since: datetime) -> datetime | None:
    """When the observer that was silent for longest last wrote, of those that have not left.

    Args:
        connection: In a transaction.
        since: UTC; who wrote nothing after it is long known to be lost.
    """
    oldest: datetime | None = connection.execute(
        select(func.min(HEARTBEATS.c.beat_at)).where(
            HEARTBEATS.c.left_at.is_(None), HEARTBEATS.c.beat_at >= since
        )
    ).scalar()
    return oldest


def _update(connection: Connection, room_sid: str, job_id: str, **values: object) -> None:
    connection.execute(
        update(HEARTBEATS)
        .where(HEARTBEATS.c.room_sid == room_sid, HEARTBEATS.c.job_id == job_id)
        .values(**values)
    )


def _heartbeat(row: RowMapping) -> Heartbeat:
    return Heartbeat(**row)


def _lock_key(room_sid: str) -> int:
    digest = hashlib.sha256(room_sid.encode()).digest()[:_KEY_BYTES]
    return int.from_bytes(digest, "big", signed=True)
