"""Legal holds: calls of which nothing may be deleted until somebody lifts the hold.

The row in the database is what Earmark's own commands respect. Where the store can hold objects
itself, every version of the call's objects is held there too, so that no other program erases it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime

from sqlalchemy import Connection, select, union, update

from storage.call_lock import lock_call
from storage.database import Database
from storage.errors import HoldError
from storage.keeping_tables import HOLDS
from storage.manifest import manifest_key
from storage.tables import AUDITS, CALLS, RECORDINGS
from storage.versions import KeepingStore, ObjectVersion

MAX_REASON_CHARS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a call is kept, since when, and by whom."""

    hold_id: str
    room_sid: str
    reason: str = field(repr=False)
    set_by: str = field(repr=False)
    set_at: datetime  # UTC
    released_by: str | None = field(default=None, repr=False)
    released_at: datetime | None = None  # UTC; None while it is in force
    release_reason: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The calls under hold, as one who deletes needs to know them."""

    room_sids: frozenset[str]
    keys: frozenset[str] = frozenset()  # objects of theirs that do not name the call

    def call_of(self, key: str) -> str | None:
        """The held call that an object belongs to, None if it belongs to none.

        A key that merely contains a call's id counts: too much is kept rather than too little.
        """
        for room_sid in self.room_sids:
            if room_sid in key:
                return room_sid
        return "a held call" if key in self.keys else None


def set_hold(
    connection: Connection, room_sid: str, *, reason: str, set_by: str, now: datetime
) -> tuple[Hold, bool]:
    """Put a call under hold. A call may be held for several reasons, each to be lifted by itself.

    Args:
        connection: In a transaction of its own.
        room_sid: The call; it need not have been observed, nor have ended.
        reason: Why, in words for those who read it years later.
        set_by: Who.
        now: UTC.

    Returns:
        The hold, and whether it is new: the same reason again is the same hold.

    Raises:
        HoldError: the reason is empty or too long.
    """
    _check_reason(reason)
    lock_call(connection, room_sid)
    for hold in holds_of(connection, room_sid):
        if hold.released_at is None and hold.reason == reason:
            return hold, False
    hold = Hold(
        hold_id=f"hold_{uuid.uuid4().hex[:12]}",
        room_sid=room_sid,
        reason=reason,
        set_by=set_by,
        set_at=now,
    )
    connection.execute(
        HOLDS.insert().values({each.name: getattr(hold, each.name) for each in fields(Hold)})
    )
    return hold, True


def release_holds(
    connection: Connection,
    room_sid: str,
    *,
    reason: str,
    released_by: str,
    now: datetime,
    hold_id: str | None = None,
    every: bool = False,
) -> tuple[Hold, ...]:
    """Lift a call's hold.

    Args:
        connection: In a transaction.
        room_sid: The call.
        reason: Why it may go.
        released_by: Who says so.
        now: UTC.
        hold_id: Which one, where there are several.
        every: All of them.

    Returns:
        The holds that were lifted.

    Raises:
        HoldError: no hold is in force, or several are and it was not said which.
    """
    _check_reason(reason)
    lock_call(connection, room_sid)
    active = [hold for hold in holds_of(connection, room_sid) if hold.released_at is None]
    if hold_id is not None:
        active = [hold for hold in active if hold.hold_id == hold_id]
    if not active:
        which = f"hold {hold_id}" if hold_id else "hold"
        raise HoldError(f"call {room_sid}: no {which} is in force; `earmark hold list` shows them")
    if len(active) > 1 and not every:
        raise HoldError(
            f"call {room_sid}: {len(active)} holds are in force; say which with --id, or --all"
        )
    connection.execute(
        update(HOLDS)
        .where(HOLDS.c.hold_id.in_([hold.hold_id for hold in active]))
        .values(released_at=now, released_by=released_by, release_reason=reason)
    )
    return tuple(active)


def holds_of(connection: Connection, room_sid: str) -> tuple[Hold, ...]:
    """All holds of a call, those that were lifted too, in order of time."""
    return tuple(hold for hold in all_holds(connection) if hold.room_sid == room_sid)


def all_holds(connection: Connection, *, active_only: bool = False) -> tuple[Hold, ...]:
    """Holds of all calls, in order of time."""
    statement = select(HOLDS).order_by(HOLDS.c.set_at, HOLDS.c.hold_id)
    if active_only:
        statement = statement.where(HOLDS.c.released_at.is_(None))
    return tuple(Hold(**row) for row in connection.execute(statement).mappings())


def is_held(connection: Connection, room_sid: str) -> bool:
    """Whether a hold on the call is in force."""
    where = (HOLDS.c.room_sid == room_sid) & HOLDS.c.released_at.is_(None)
    return connection.execute(select(HOLDS.c.hold_id).where(where).limit(1)).first() is not None


def held_calls(connection: Connection) -> Held:
    """All calls under hold, with the objects of theirs that the database knows."""
    room_sids = frozenset(hold.room_sid for hold in all_holds(connection, active_only=True))
    return Held(room_sids=room_sids, keys=_known_keys(connection, room_sids))


def hold_objects(
    database: Database, store: KeepingStore, room_sids: Collection[str], *, on: bool
) -> int:
    """Set or lift the hold on every version of the objects of calls, where the store can.

    A hold that another call shares is not lifted: only objects of the calls named are touched.

    Returns:
        How many versions there are; 0 where the store has no locks.

    Raises:
        StorageUnavailableError: the store refuses.
    """
    if not room_sids or not store.locking().can_lock:
        return 0
    n_versions = 0
    for version in call_versions(database, store, room_sids):
        store.hold(version, on=on)
        n_versions += 1
    return n_versions


def call_versions(
    database: Database, store: KeepingStore, room_sids: Collection[str]
) -> Iterator[ObjectVersion]:
    """Every version of every object of some calls; delete markers are left out."""
    with database.begin(read_only=True) as connection:
        keys = _known_keys(connection, room_sids)
    wanted = Held(room_sids=frozenset(room_sids), keys=keys)
    for version in store.versions():
        if not version.is_marker and wanted.call_of(version.key) is not None:
            yield version


def known_call(connection: Connection, room_sid: str) -> bool:
    """Whether any row tells of a call with this session id."""
    columns = (CALLS.c.room_sid, RECORDINGS.c.room_sid, AUDITS.c.room_sid)
    found = union(*(select(column).where(column == room_sid) for column in columns))
    return connection.execute(found).first() is not None


def _known_keys(connection: Connection, room_sids: Collection[str]) -> frozenset[str]:
    keys = connection.execute(
        select(RECORDINGS.c.object_key).where(RECORDINGS.c.room_sid.in_(list(room_sids)))
    ).scalars()
    return frozenset(each for key in keys for each in (key, manifest_key(key)))


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise HoldError("a hold needs a reason, in words for those who read it years later")
    if len(reason) > MAX_REASON_CHARS:
        raise HoldError(f"the reason is longer than {MAX_REASON_CHARS} characters")
