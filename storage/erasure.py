"""Erasing a person: every version of every object that is theirs or names them, and every row.

Whatever was done is found done when the order is repeated: objects first and rows last, so that a
run that was killed still finds by the rows which objects are theirs. Held calls are left, and told
of; so is what the store has locked.
"""

from __future__ import annotations

import posixpath
from datetime import UTC, datetime

from sqlalchemy import delete

from storage.call_lock import lock_call
from storage.database import Database
from storage.deletions import Cause, close_deletion, deletions_of, note_rows
from storage.erasure_hand import Hand
from storage.erasure_mixed import MixedRecordings
from storage.erasure_person import Person, pseudonym_of
from storage.erasure_plan import Mixed, OnObject, Plan, Reports, Silence
from storage.erasure_receipts import ErasureStatus, Receipt, begin_erasure, finish_erasure
from storage.erasure_rows import calls_with, erase_call_rows, scrub
from storage.erasure_texts import Texts
from storage.errors import ErasureError, ManifestError, ObjectMissingError
from storage.holds import Held, held_calls, is_held
from storage.manifest import Recording, parse_manifest
from storage.mentions import SOUND
from storage.queue_summary import refresh_queue
from storage.recordings import recordings_of
from storage.retention_policy import call_of
from storage.tables import AUDITS
from storage.versions import KeepingStore, versions_by_key

_RECORDINGS = "recordings/"
# Made out of recordings and reports: of the person's calls they go as a whole.
_DERIVED = ("stages/", "work/", "bundles/")
_REDACTED = "redacted/"


class Eraser:
    """Erases one person.

    Args:
        database: Open.
        store: Where the objects are.
        person: Who.
        key: Turns the identity into the hash of the receipt.
        reports: Rewrites reports.
        silence: Silences spans of a sound file, given its bytes and its key.
        mixed: What to do with recordings of several people; None refuses where there are any.
        bypass_governance: Erase what is locked in governance mode, too.
        on_object: Told of each object.
    """

    def __init__(
        self,
        database: Database,
        store: KeepingStore,
        person: Person,
        *,
        key: bytes,
        reports: Reports,
        silence: Silence,
        mixed: Mixed | None = None,
        bypass_governance: bool = False,
        on_object: OnObject = lambda what, key: None,
    ) -> None:
        self._database = database
        self._store = store
        self._person = person
        self._key = key
        self._reports = reports
        self._silence = silence
        self._mixed = mixed
        self._bypass = bypass_governance
        self._on_object = on_object
        self._dry_run = False
        self._erasure_id = ""
        self._held = Held(room_sids=frozenset())
        self._plan = Plan()
        self._is_compact = False

    def plan(self) -> Plan:
        """What would be done; nothing is changed."""
        self._dry_run = True
        self._run()
        return self._plan

    def erase(self, *, reason: str | None = None) -> tuple[Receipt, Plan]:
        """Erase, or go on with an erasure that was not finished.

        Raises:
            ErasureError: there are recordings of several people, and it was not said what to do.
            StorageError: store or database failed; the same order goes on later.
        """
        self._refuse_undecided()
        with self._database.begin() as connection:
            receipt, _ = begin_erasure(
                connection, self._person.hashed(self._key), reason=reason, now=datetime.now(UTC)
            )
        self._erasure_id = receipt.erasure_id
        self._run()
        for room_sid in sorted(self._plan.calls - self._plan.held_calls):
            self._erase_rows(room_sid)
        self._scrub()
        # What was deleted stands in the database's file until its place is taken.
        self._is_compact = self._database.compact()
        return self._finish(), self._plan

    # Finding

    def _refuse_undecided(self) -> None:
        if self._mixed is not None:
            return
        self._look()
        if self._plan.mixed:
            n = len(self._plan.mixed)
            which = "1 recording holds" if n == 1 else f"{n} recordings hold"
            raise ErasureError(
                f"{which} other people, too; say with --mixed whether to redact, delete or keep: "
                + ", ".join(self._plan.mixed[:5])
            )

    def _look(self) -> dict[str, Recording]:
        """Find the calls, and the recordings of them by key."""
        self._plan = Plan()
        with self._database.begin(read_only=True) as connection:
            self._held = held_calls(connection)
            self._plan.calls = calls_with(connection, self._person)
            known = {
                recording.object_key: recording
                for room_sid in self._plan.calls
                for recording in recordings_of(connection, room_sid)
            }
        listed = self._manifests()
        self._plan.calls |= {
            each.room_sid for each in listed if self._person.is_them(each.identity)
        }
        for each in listed:
            if each.room_sid in self._plan.calls:
                row = known.get(each.object_key)
                if row is None or row.identity is None:
                    known[each.object_key] = each
        self._plan.held_calls = self._plan.calls & self._held.room_sids
        self._plan.mixed = sorted(
            key
            for key, each in known.items()
            if each.identity is None
            and each.room_sid not in self._held.room_sids
            and self._store.head(key) is not None
        )
        return known

    def _manifests(self) -> list[Recording]:
        found: list[Recording] = []
        for version in self._store.versions(_RECORDINGS):
            if version.is_marker or not version.key.endswith(".json"):
                continue
            try:
                data = self._store.read(version)
                found.append(parse_manifest(data, manifest_key=version.key))
            except (ManifestError, ObjectMissingError):
                continue
        return found

    def _run(self) -> None:
        recordings = self._look()
        plan = self._plan
        hand = Hand(
            self._database, self._store, self._person, plan, self._held,
            erasure_id=self._erasure_id, bypass_governance=self._bypass, dry_run=self._dry_run,
            on_object=self._on_object,
        )  # fmt: skip
        theirs = {key for key, each in recordings.items() if self._person.is_them(each.identity)}
        # First, since reports say where the person speaks in them.
        MixedRecordings(hand, self._mixed, self._reports, self._silence).settle(
            {key: recordings[key] for key in plan.mixed}
        )
        gone = {recordings[key] for key in theirs}
        if self._mixed not in {None, Mixed.KEEP}:
            gone |= {recordings[key] for key in plan.mixed}
        # A redacted copy is named by the track, or by the egress of a mix.
        stems = {
            (each.room_sid, name)
            for each in gone
            for name in (_stem(each.object_key), each.track_id, each.egress_id)
        }
        texts = Texts(hand, self._reports)
        for key, versions in versions_by_key(self._store):
            room_sid = recordings[key].room_sid if key in recordings else call_of(key)
            if key in theirs:
                hand.erase(key, versions, room_sid, "own_recording")
                if key in plan.left and room_sid is not None:
                    plan.waiting_calls.add(room_sid)
            elif room_sid in plan.calls and key.startswith(_DERIVED):
                hand.erase(key, versions, room_sid, "derived")
            elif room_sid in plan.calls and key.startswith(_REDACTED):
                if (room_sid, _stem(key)) in stems or not _is_sound(key):
                    hand.erase(key, versions, room_sid, "redacted_copy")
            elif not _is_sound(key):
                texts.settle(key, versions, room_sid)
            elif hand.is_named(key):
                hand.erase(key, versions, room_sid, "named_key")

    def _erase_rows(self, room_sid: str) -> None:
        plan = self._plan
        if room_sid in plan.waiting_calls:
            return  # the row says whose the recording is that is locked still
        with self._database.begin() as connection:
            lock_call(connection, room_sid)
            if is_held(connection, room_sid):
                plan.held_calls.add(room_sid)
                return
            counts = erase_call_rows(
                connection, room_sid, self._person, pseudonym_of(self._erasure_id, room_sid)
            )
            if room_sid in plan.audit_again:
                audits = connection.execute(delete(AUDITS).where(AUDITS.c.room_sid == room_sid))
                counts[AUDITS.name] = audits.rowcount
            refresh_queue(connection, [room_sid])
            plan.add_rows(counts)
            if counts:
                note_rows(
                    connection, room_sid, sum(counts.values()), cause=Cause.ERASURE,
                    reason="rows", now=datetime.now(UTC), erasure_id=self._erasure_id,
                )  # fmt: skip

    def _scrub(self) -> None:
        with self._database.begin() as connection:
            left_alone = self._plan.waiting_calls | held_calls(connection).room_sids
            self._plan.add_rows(
                scrub(connection, self._person, pseudonym_of(self._erasure_id, ""), left_alone)
            )

    def _finish(self) -> Receipt:
        plan = self._plan
        with self._database.begin() as connection:
            noted = deletions_of(connection, erasure_id=self._erasure_id)
            for each in noted:
                if each.done_at is None and each.object_key not in plan.left:
                    close_deletion(connection, each.deletion_id, datetime.now(UTC))
            objects = [each for each in noted if each.kind == "object"]
            counts = {
                "calls": len(plan.calls - plan.held_calls),
                "objects_erased": sum(not e.reason.endswith("_rewritten") for e in objects),
                "objects_rewritten": sum(e.reason.endswith("_rewritten") for e in objects),
                "versions": sum(each.n_items for each in objects),
                "bytes": sum(each.size_bytes or 0 for each in objects),
                "rows": sum(each.n_items for each in noted if each.kind == "rows"),
            }
            left = {
                "held_calls": sorted(plan.held_calls),
                "objects": len(plan.left),
                "mixed_kept": len(plan.kept),
                "database_compacted": self._is_compact,
                "audit_again": sorted(plan.audit_again),
            }
            is_whole = not (plan.held_calls or plan.left or plan.kept)
            return finish_erasure(
                connection,
                self._erasure_id,
                status=ErasureStatus.DONE if is_whole else ErasureStatus.PARTIAL,
                counts=counts,
                left_behind=left,
                now=datetime.now(UTC),
            )


def _stem(key: str) -> str:
    return posixpath.basename(key).split(".")[0]


def _is_sound(key: str) -> bool:
    return key.lower().endswith(SOUND)
