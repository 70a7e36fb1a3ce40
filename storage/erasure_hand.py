"""The hand that erases and rewrites objects: noted before, closed after, held ones left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from storage.call_lock import lock_call
from storage.database import Database
from storage.deletions import Cause, close_deletion, erase_all_versions, note_object
from storage.erasure_person import Person, pseudonym_of
from storage.erasure_plan import OnObject, Plan
from storage.errors import ObjectLockedError, ObjectMissingError
from storage.holds import Held, is_held
from storage.versions import KeepingStore, LockMode, ObjectVersion, refuse_locked, versions_of


class Hand:
    """Erases and rewrites objects for one erasure.

    Args:
        database: Open.
        store: Where the objects are.
        person: Who.
        plan: Told of everything.
        held: Calls of which nothing may be touched.
        erasure_id: Of the receipt; "" in a dry run.
        bypass_governance: Erase what is locked in governance mode, too.
        dry_run: Change nothing.
        on_object: Told of each object.
    """

    def __init__(
        self,
        database: Database,
        store: KeepingStore,
        person: Person,
        plan: Plan,
        held: Held,
        *,
        erasure_id: str,
        bypass_governance: bool,
        dry_run: bool,
        on_object: OnObject,
    ) -> None:
        self.database = database
        self.store = store
        self.person = person
        self.plan = plan
        self.held = held
        self.dry_run = dry_run
        self._erasure_id = erasure_id
        self._bypass = bypass_governance
        self._on_object = on_object
        self._can_lock = store.locking().can_lock

    def is_named(self, key: str) -> bool:
        """Whether a key itself holds one of the person's names."""
        return any(word in key for word in self.person.words)

    def pseudonym(self, room_sid: str | None) -> str:
        """What stands in the person's place on a call."""
        return pseudonym_of(self._erasure_id, room_sid or "")

    def newest(self, versions: Sequence[ObjectVersion]) -> bytes:
        """The bytes that are seen without asking for versions.

        Raises:
            ObjectMissingError: the object is hidden behind a delete marker.
        """
        for version in versions:
            if version.is_latest and not version.is_marker:
                return self.store.read(version)
        raise ObjectMissingError("every version is an older one")

    def _is_free(self, key: str, versions: Sequence[ObjectVersion], room_sid: str | None) -> bool:
        """Whether an object may be touched; if not, it is told why."""
        by = self.held.call_of(key) or (room_sid if room_sid in self.held.room_sids else None)
        if by is not None:
            self.plan.left[key] = f"call {by} is under legal hold"
            return False
        now = datetime.now(UTC)
        if not self._can_lock:
            return True
        for version in versions:
            lock = self.store.lock_of(version)
            if self._bypass and not lock.is_held and lock.mode is LockMode.GOVERNANCE:
                continue
            try:
                refuse_locked(key, lock, now)
            except ObjectLockedError as exc:
                self.plan.left[key] = str(exc)
                return False
        return True

    def _note(
        self, key: str, versions: Sequence[ObjectVersion], room_sid: str | None, reason: str
    ) -> str | None:
        """The note's id; None where the call was put under hold meanwhile."""
        with self.database.begin() as connection:
            if room_sid is not None:
                lock_call(connection, room_sid)
                if is_held(connection, room_sid):
                    self.plan.left[key] = f"call {room_sid} is under legal hold"
                    return None
            digest = hashlib.sha256(key.encode()).hexdigest()
            shown = f"sha256:{digest}" if self.is_named(key) else key
            return note_object(
                connection, shown, versions, cause=Cause.ERASURE, reason=reason,
                room_sid=room_sid, now=datetime.now(UTC), erasure_id=self._erasure_id,
            )  # fmt: skip

    def _close(self, deletion_id: str) -> None:
        with self.database.begin() as connection:
            close_deletion(connection, deletion_id, datetime.now(UTC))

    def erase(
        self, key: str, versions: Sequence[ObjectVersion], room_sid: str | None, reason: str
    ) -> None:
        """Erase every version of an object.

        Args:
            key: The object.
            versions: All of its versions.
            room_sid: Its call, None for none.
            reason: A code for the ledger.
        """
        if not versions or not self._is_free(key, versions, room_sid):
            return
        self.plan.erased[key] = reason
        self._on_object("erase", key)
        if self.dry_run:
            return
        deletion_id = self._note(key, versions, room_sid, reason)
        if deletion_id is None:
            return
        kept = erase_all_versions(self.store, key, bypass_governance=self._bypass)
        if kept is not None:
            self.plan.left[key] = kept
            return
        self._close(deletion_id)

    def replace(
        self,
        key: str,
        versions: Sequence[ObjectVersion],
        room_sid: str | None,
        data: bytes,
        content_type: str,
        what: str,
    ) -> bool:
        """Write an object anew and erase all its older versions."""
        if not self._is_free(key, versions, room_sid):
            return False
        self.plan.rewritten[key] = what
        self._on_object("rewrite", key)
        if self.dry_run:
            return True
        deletion_id = self._note(key, versions, room_sid, f"{what}_rewritten")
        if deletion_id is None:
            return False
        self.store.put_bytes(key, data, content_type=content_type)
        for version in versions_of(self.store, key):
            if version.version_id is None or version.is_latest:
                continue
            try:
                self.store.erase(version, bypass_governance=self._bypass)
            except ObjectLockedError as exc:
                self.plan.left[key] = str(exc)
                return False
        self._close(deletion_id)
        return True
