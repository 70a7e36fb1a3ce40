"""The lister: lays rows, LiveKit's own list and the object store side by side.

It finds what webhooks missed, and names what is wrong: recordings that failed or were lost, files
that are gone or are not the ones that were written, and files that nobody knows of.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from livekit import api
from livekit.protocol import egress as proto

from realtime.egress_requests import EgressOptions, egress_of
from storage.database import Database
from storage.egress_claims import LEASE_S, EgressClaim, claims_since, settle_claim
from storage.egresses import (
    Egress,
    EgressStatus,
    egresses_since,
    note_lost,
    note_problem,
    save_egress,
)
from storage.errors import ManifestError, ObjectMissingError
from storage.manifest import Recording, parse_manifest
from storage.objects import ObjectInfo, ObjectStore
from storage.recordings import get_recording, recordings_since, save_recording

log = logging.getLogger(__name__)

RECORDINGS = "recordings/"
# An egress of a room that is over says what became of it within this time, uploads included.
SETTLE_S = 600.0


class Problem(StrEnum):
    """What can be wrong with a recording."""

    NOT_STARTED = "not_started"  # claimed, and no egress came of it
    FAILED = "failed"
    ABORTED = "aborted"
    LIMIT_REACHED = "limit_reached"
    LOST = "lost"
    WITHOUT_FILE = "without_file"  # ended well, and names no file in our store
    MISSING = "missing"
    SIZE_DIFFERS = "size_differs"
    SHA256_DIFFERS = "sha256_differs"
    MANIFEST_UNREADABLE = "manifest_unreadable"
    ORPHAN = "orphan"  # a file that no row and no manifest knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One thing that is wrong."""

    problem: Problem
    room_sid: str | None = None
    track_id: str | None = None
    egress_id: str | None = None
    object_key: str | None = None
    detail: str | None = None  # a code


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What came of one look."""

    n_egresses: int
    n_recordings: int
    n_news: int  # egresses and recordings that no webhook had told of
    oddities: tuple[Oddity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """What the LiveKit server knows."""

    egresses: tuple[proto.EgressInfo, ...] = field(repr=False)
    open_rooms: frozenset[str]  # room sids


async def ask_server(client: api.LiveKitAPI) -> ServerSide:
    """All egresses that the server remembers (a day's, on one's own server), and the open rooms."""
    infos: list[proto.EgressInfo] = []
    request = api.ListEgressRequest()
    while True:
        listed = await client.egress.list_egress(request)
        infos += listed.items
        token = listed.next_page_token.token
        if not token or token == request.page_token.token:
            break
        request.page_token.token = token
    rooms = await client.room.list_rooms(api.ListRoomsRequest())
    return ServerSide(egresses=tuple(infos), open_rooms=frozenset(room.sid for room in rooms.rooms))


class Lister:
    """Looks at everything since a moment, mends rows, and names what is wrong.

    Args:
        database: Open.
        objects: Where recordings lie.
        options: Where Egress puts them.
        settle_s: How long an egress may say nothing after its room is over.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        options: EgressOptions,
        *,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._database = database
        self._objects = objects
        self._options = options
        self._settle_s = settle_s

    def look(self, server: ServerSide | None, *, since: datetime, verify: bool = False) -> Listed:
        """Look once. Repeated, it changes nothing more.

        Args:
            server: What LiveKit says; None where it was not asked.
            since: UTC.
            verify: Read every file, and compare or keep its sha256.

        Raises:
            StorageError: database or object store cannot be reached.
        """
        now = datetime.now(UTC)
        n_news = self._take_in(server.egresses, now) if server is not None else 0
        listing = self._list(since)
        n_new, oddities = self._take_in_manifests(listing)
        with self._database.begin(read_only=True) as connection:
            egresses = egresses_since(connection, since)
            claims = claims_since(connection, since)
        if server is not None:
            egresses = self._lose(egresses, server.open_rooms, now)
        oddities += self._unclaimed(claims, egresses, now)
        oddities += _endings(egresses)
        with self._database.begin(read_only=True) as connection:
            recordings = recordings_since(connection, since)
        oddities += self._objects_of(egresses, recordings, verify=verify)
        oddities += self._orphans(listing, now)
        return Listed(
            n_egresses=len(egresses),
            n_recordings=len(recordings),
            n_news=n_news + n_new,
            oddities=tuple(oddities),
        )

    def _take_in(self, infos: Iterable[proto.EgressInfo], now: datetime) -> int:
        n_news = 0
        for info in infos:
            egress = egress_of(info, self._options, told_at=now)
            with self._database.begin() as connection:
                n_news += save_egress(connection, egress)
        return n_news

    def _list(self, since: datetime) -> tuple[ObjectInfo, ...]:
        """What was put into the store at `since` or later."""
        found = self._objects.list(RECORDINGS)
        return tuple(info for info in found if info.modified_at >= since)

    def _take_in_manifests(self, listing: Sequence[ObjectInfo]) -> tuple[int, list[Oddity]]:
        """Make rows of recordings of which only their manifest tells."""
        n_new, oddities = 0, []
        for key in (info.key for info in listing):
            if not key.endswith(".json"):
                continue
            try:
                told = parse_manifest(self._objects.get_bytes(key), manifest_key=key)
            except ObjectMissingError:
                continue  # removed since it was listed
            except ManifestError:
                oddities.append(Oddity(problem=Problem.MANIFEST_UNREADABLE, object_key=key))
                continue
            with self._database.begin() as connection:
                known = get_recording(connection, told.object_key)
                # What a webhook told of the file's time is better than what Egress's manifest has.
                merged = told if known is None else _with_names(known, told)
                if merged != known:
                    save_recording(connection, merged)
            n_new += known is None
        return n_new, oddities

    def _lose(
        self, egresses: Sequence[Egress], open_rooms: frozenset[str], now: datetime
    ) -> tuple[Egress, ...]:
        """Give up waiting for egresses whose room is over and who say nothing."""
        quiet = now - timedelta(seconds=self._settle_s)
        lost = {
            egress.egress_id
            for egress in egresses
            if not egress.status.is_final
            and egress.room_sid not in open_rooms
            and egress.updated_at < quiet
        }
        with self._database.begin() as connection:
            for egress_id in sorted(lost):
                note_lost(connection, egress_id)
        return tuple(
            replace(egress, status=EgressStatus.LOST) if egress.egress_id in lost else egress
            for egress in egresses
        )

    def _unclaimed(
        self, claims: Sequence[EgressClaim], egresses: Sequence[Egress], now: datetime
    ) -> list[Oddity]:
        """Claims that nobody fulfilled. One whose answer was only not written down is settled."""
        by_track = {(egress.room_sid, egress.track_id): egress.egress_id for egress in egresses}
        oddities = []
        for claim in claims:
            egress_id = by_track.get((claim.room_sid, claim.track_id))
            if claim.egress_id is None and egress_id is not None:
                with self._database.begin() as connection:
                    settle_claim(connection, claim.room_sid, claim.track_id, egress_id)
            elif claim.egress_id is None and (
                claim.gave_up_at is not None or claim.lease_until + timedelta(seconds=LEASE_S) < now
            ):
                oddities.append(
                    Oddity(
                        problem=Problem.NOT_STARTED,
                        room_sid=claim.room_sid,
                        track_id=claim.track_id,
                        detail=claim.reason,
                    )
                )
        return oddities

    def _objects_of(
        self, egresses: Sequence[Egress], recordings: Sequence[Recording], *, verify: bool
    ) -> Iterator[Oddity]:
        by_key = {egress.object_key: egress for egress in egresses if egress.object_key}
        for recording in recordings:
            egress = by_key.get(recording.object_key)
            problem = self._problem(recording, egress, verify=verify)
            if egress is not None and egress.problem != problem:
                with self._database.begin() as connection:
                    note_problem(connection, egress.egress_id, problem)
            if problem is not None:
                yield Oddity(
                    problem=problem,
                    room_sid=recording.room_sid,
                    track_id=recording.track_id,
                    egress_id=recording.egress_id,
                    object_key=recording.object_key,
                )

    def _problem(
        self, recording: Recording, egress: Egress | None, *, verify: bool
    ) -> Problem | None:
        info = self._objects.head(recording.object_key)
        if info is None:
            return Problem.MISSING
        if egress is not None and egress.size_bytes not in (None, info.size_bytes):
            return Problem.SIZE_DIFFERS
        if not verify:
            # What a thorough look found is not forgotten by a quick one.
            known = egress.problem if egress is not None else None
            return Problem.SHA256_DIFFERS if known == Problem.SHA256_DIFFERS else None
        sha256 = self._sha256(recording.object_key)
        if recording.sha256 is None:
            with self._database.begin() as connection:
                save_recording(connection, replace(recording, sha256=sha256))
            return None
        return None if recording.sha256 == sha256 else Problem.SHA256_DIFFERS

    def _sha256(self, key: str) -> str:
        with TemporaryDirectory(prefix="earmark-") as folder:
            path = Path(folder) / "recording"
            self._objects.fetch(key, path)
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def _orphans(self, listing: Sequence[ObjectInfo], now: datetime) -> Iterator[Oddity]:
        quiet = now - timedelta(seconds=self._settle_s)
        for info in listing:
            # A recording is put away before its manifest and its row.
            if info.key.endswith(".json") or info.modified_at >= quiet:
                continue
            with self._database.begin(read_only=True) as connection:
                known = get_recording(connection, info.key)
            if known is None:
                yield Oddity(problem=Problem.ORPHAN, object_key=info.key)


_BAD_ENDS = {
    EgressStatus.FAILED: Problem.FAILED,
    EgressStatus.ABORTED: Problem.ABORTED,
    EgressStatus.LIMIT_REACHED: Problem.LIMIT_REACHED,
    EgressStatus.LOST: Problem.LOST,
}


def _endings(egresses: Sequence[Egress]) -> Iterator[Oddity]:
    """Egresses that did not end well, unless another one has the same track whole."""
    whole = {
        (egress.room_sid, egress.track_id)
        for egress in egresses
        if egress.status is EgressStatus.COMPLETE and egress.object_key is not None
    }
    for egress in egresses:
        problem = _BAD_ENDS.get(egress.status)
        if egress.status is EgressStatus.COMPLETE and egress.object_key is None:
            problem = Problem.WITHOUT_FILE
        if problem is None or (egress.room_sid, egress.track_id) in whole:
            continue
        yield Oddity(
            problem=problem,
            room_sid=egress.room_sid,
            track_id=egress.track_id,
            egress_id=egress.egress_id,
            object_key=egress.object_key,
            detail=None if egress.error_code is None else str(egress.error_code),
        )


def _with_names(known: Recording, told: Recording) -> Recording:
    """The row, with whose track it is where only the manifest knows."""
    return replace(
        known,
        room_name=known.room_name or told.room_name,
        identity=known.identity or told.identity,
        track_id=known.track_id or told.track_id,
        track_source=known.track_source or told.track_source,
    )
