"""Retention: what is older than its time goes, but for what is held or locked.

Note, erase every version, close the note, then the rows: so a run that is killed is gone on with by
the next one, and nothing is deleted of which no row tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from storage.call_lock import lock_call
from storage.call_rows import beginnings, delete_call
from storage.database import Database
from storage.deletion_marks import note_deleted, open_marks
from storage.deletions import (
    Cause,
    close_deletion,
    erase_all_versions,
    note_object,
    note_rows,
    open_deletions,
)
from storage.holds import Held, held_calls, hold_objects, is_held
from storage.mentions import mentions_any
from storage.retention_policy import PREFIXES, Kind, Policy, call_of, due_at, kind_of
from storage.versions import KeepingStore, ObjectVersion, versions_by_key, versions_of


class Fate(StrEnum):
    """What becomes of something whose time is over."""

    DUE = "due"  # would go, or goes
    DELETED = "deleted"
    HELD = "held"  # its call is under legal hold
    LOCKED = "locked"  # the store forbids it, for a time
    WAITS = "waits"  # rows of a call whose objects are still there


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An object, or the rows of a call."""

    kind: Kind
    name: str  # object key, or session id of the call
    room_sid: str | None
    cause: Cause
    reason: str  # a code
    due_at: datetime  # UTC
    n_items: int  # versions, or 0 for rows that nobody counted
    size_bytes: int
    fate: Fate
    why: str = ""  # where it is not deleted, a sentence


@dataclass(slots=True, kw_only=True)
class Summary:
    """What a run came to."""

    n_objects: int = 0
    n_versions: int = 0
    size_bytes: int = 0
    n_calls: int = 0  # of which rows were deleted
    n_rows: int = 0
    n_held: int = 0
    n_locked: int = 0
    n_waiting: int = 0

    def count(self, item: Item) -> None:
        """Take in what became of one item."""
        match item.fate:
            case Fate.HELD:
                self.n_held += 1
            case Fate.LOCKED:
                self.n_locked += 1
            case Fate.WAITS:
                self.n_waiting += 1
            case _ if item.kind is Kind.ROWS:
                self.n_calls += 1
                self.n_rows += item.n_items
            case _:
                self.n_objects += 1
                self.n_versions += item.n_items
                self.size_bytes += item.size_bytes


OnItem = Callable[[Item], None]


class Retention:
    """Finds what is due, and deletes it.

    Args:
        database: Open.
        store: Where the objects are.
        policy: For how long what is kept.
        now: UTC; by default the present.
    """

    def __init__(
        self,
        database: Database,
        store: KeepingStore,
        policy: Policy,
        *,
        now: datetime | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._policy = policy
        self._now = now or datetime.now(UTC)

    def due(self, *, within: timedelta = timedelta()) -> Iterator[Item]:
        """What would go now, or within some time; nothing is changed.

        What the store itself has locked is found out where it can lock.
        """
        held = self._held()
        until = self._now + within
        can_lock = self._store.locking().can_lock
        kept_calls: set[str] = set()
        for item, versions in self._objects(until, held):
            if item.fate is Fate.DUE and can_lock:
                item = self._unless_locked(item, versions)
            if item.fate is not Fate.DUE and item.room_sid is not None:
                kept_calls.add(item.room_sid)
            yield item
        yield from self._rows(until, held, kept_calls)

    def apply(self, on_item: OnItem = lambda item: None) -> Summary:
        """Delete what is due. To repeat it does nothing twice; killed, it is gone on with.

        Raises:
            StorageError: the store or the database failed; what was deleted is noted.
        """
        summary = Summary()
        self._resume()
        held = self._held()
        # Objects that were written after the hold was set are held from now on.
        hold_objects(self._database, self._store, held.room_sids, on=True)
        kept_calls: set[str] = set()
        can_lock = self._store.locking().can_lock
        for item, versions in self._objects(self._now, held):
            if item.fate is Fate.DUE and can_lock:
                item = self._unless_locked(item, versions)
            done = self._delete(item, versions) if item.fate is Fate.DUE else item
            if done.fate is not Fate.DELETED and done.room_sid is not None:
                kept_calls.add(done.room_sid)
            summary.count(done)
            on_item(done)
        for item in self._rows(self._now, held, kept_calls):
            done = self._delete_rows(item) if item.fate is Fate.DUE else item
            summary.count(done)
            on_item(done)
        return summary

    def _held(self) -> Held:
        with self._database.begin(read_only=True) as connection:
            return held_calls(connection)

    def _resume(self) -> None:
        """Finish what a run that died had noted."""
        with self._database.begin(read_only=True) as connection:
            left = [d for d in open_deletions(connection) if d.cause is not Cause.ERASURE]
            held = held_calls(connection)
        for deletion in left:
            key = deletion.object_key
            if key is None or held.call_of(key) is not None:
                continue
            if erase_all_versions(self._store, key) is None:
                self._close(deletion.deletion_id, key)

    def _objects(
        self, until: datetime, held: Held
    ) -> Iterator[tuple[Item, tuple[ObjectVersion, ...]]]:
        marked: set[str] = set()
        with self._database.begin(read_only=True) as connection:
            marks = open_marks(connection)
        for mark in marks:
            marked.add(mark.object_key)
            versions = versions_of(self._store, mark.object_key)
            yield (
                self._item(
                    mark.object_key, kind_of(mark.object_key) or Kind.RECORDINGS, versions, held,
                    cause=Cause.MARK, reason=mark.reason, due=self._now, room_sid=mark.room_sid,
                ),
                versions,
            )  # fmt: skip
        for prefix in PREFIXES:
            kind = kind_of(prefix)
            days = self._policy.days(kind) if kind else None
            if kind is None or days is None:
                continue
            for key, versions in versions_by_key(self._store, prefix):
                newest = max(
                    v.modified_at for v in versions if not v.is_marker or len(versions) == 1
                )
                due = due_at(key, kind, newest, days)
                if due <= until and key not in marked:
                    yield (
                        self._item(
                            key, kind, versions, held,
                            cause=Cause.RETENTION, reason=f"{kind}_over_{days}_days", due=due,
                            room_sid=call_of(key),
                        ),
                        versions,
                    )  # fmt: skip

    def _item(
        self,
        key: str,
        kind: Kind,
        versions: Sequence[ObjectVersion],
        held: Held,
        *,
        cause: Cause,
        reason: str,
        due: datetime,
        room_sid: str | None,
    ) -> Item:
        by = held.call_of(key)
        if by is None and room_sid is None and held.room_sids:
            # A table or a summary of a day names its calls only inside.
            by = mentions_any(self._store, key, held.room_sids)
        return Item(
            kind=kind,
            name=key,
            room_sid=room_sid,
            cause=cause,
            reason=reason,
            due_at=due,
            n_items=sum(not version.is_marker for version in versions),
            size_bytes=sum(version.size_bytes for version in versions),
            fate=Fate.HELD if by else Fate.DUE,
            why=f"call {by} is under legal hold" if by else "",
        )

    def _unless_locked(self, item: Item, versions: Sequence[ObjectVersion]) -> Item:
        for version in versions:
            lock = self._store.lock_of(version)
            if lock.forbids(max(self._now, item.due_at)):
                why = (
                    "the store holds it"
                    if lock.is_held
                    else f"locked until {lock.retain_until:%Y-%m-%d %H:%M} UTC"
                )
                return _changed(item, Fate.LOCKED, why)
        return item

    def _delete(self, item: Item, versions: Sequence[ObjectVersion]) -> Item:
        with self._database.begin() as connection:
            if item.room_sid is not None:
                lock_call(connection, item.room_sid)
                if is_held(connection, item.room_sid):  # since we looked
                    return _changed(item, Fate.HELD, f"call {item.room_sid} is under legal hold")
            deletion_id = note_object(
                connection, item.name, versions, cause=item.cause, reason=item.reason,
                room_sid=item.room_sid, now=datetime.now(UTC),
            )  # fmt: skip
        kept = erase_all_versions(self._store, item.name)
        if kept is not None:
            return _changed(item, Fate.LOCKED, kept)
        self._close(deletion_id, item.name)
        return _changed(item, Fate.DELETED)

    def _close(self, deletion_id: str, key: str) -> None:
        now = datetime.now(UTC)
        with self._database.begin() as connection:
            close_deletion(connection, deletion_id, now)
            note_deleted(connection, key, now)

    def _rows(self, until: datetime, held: Held, kept_calls: set[str]) -> Iterator[Item]:
        days = self._policy.rows_days
        if days is None:
            return
        with self._database.begin(read_only=True) as connection:
            began = beginnings(connection)
        for room_sid, began_at in sorted(began.items(), key=lambda each: (each[1], each[0])):
            due = began_at + timedelta(days=days)
            if due > until:
                continue
            fate, why = Fate.DUE, ""
            if room_sid in held.room_sids:
                fate, why = Fate.HELD, f"call {room_sid} is under legal hold"
            elif room_sid in kept_calls:
                fate, why = Fate.WAITS, "objects of this call are still there"
            yield Item(
                kind=Kind.ROWS, name=room_sid, room_sid=room_sid, cause=Cause.RETENTION,
                reason=f"rows_over_{days}_days", due_at=due, n_items=0, size_bytes=0,
                fate=fate, why=why,
            )  # fmt: skip

    def _delete_rows(self, item: Item) -> Item:
        with self._database.begin() as connection:
            lock_call(connection, item.name)
            if is_held(connection, item.name):
                return _changed(item, Fate.HELD, f"call {item.name} is under legal hold")
            n_rows = delete_call(connection, item.name)
            note_rows(
                connection, item.name, n_rows, cause=item.cause, reason=item.reason,
                now=datetime.now(UTC),
            )  # fmt: skip
        return _changed(item, Fate.DELETED, n_items=n_rows)


def _changed(item: Item, fate: Fate, why: str = "", *, n_items: int | None = None) -> Item:
    return replace(item, fate=fate, why=why, n_items=item.n_items if n_items is None else n_items)
