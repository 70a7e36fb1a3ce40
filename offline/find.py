"""Finding calls by their recordings in the object store and their rows in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from offline.call import DELETED, UNKNOWN, Call, LiveSide, Member, Source
from offline.clock import FILE_CLOCK, RecordingClock
from offline.errors import NothingToAuditError
from offline.listing import Listing, day_in, list_manifests, read_manifests
from storage import calls as call_rows
from storage.calls import calls_on, calls_since, get_call, participants_of
from storage.database import Connection, Database
from storage.deletion_marks import marks_of
from storage.egress_claims import claims_of
from storage.egresses import Egress, egresses_of
from storage.gaps import gaps_of
from storage.hits import hits_of
from storage.manifest import Recording
from storage.objects import ObjectStore
from storage.recordings import recordings_of
from storage.speech import speech_of
from storage.tables import HITS

# Egress may be told to name folders by the day of the recording: around midnight, not the call's.
_DAY_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRef:
    """Which call, and where its manifests lie. Ids and keys only, so that it may travel."""

    room_sid: str
    manifest_keys: tuple[str, ...]  # those that cannot be read, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """What a search has brought up, not yet read in full."""

    refs: tuple[CallRef, ...]  # by day and id
    unreadable: tuple[str, ...] = field(repr=False)  # keys of manifests that belong to no call


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What a search has brought up."""

    calls: tuple[Call, ...]
    unreadable: tuple[str, ...] = field(repr=False)  # keys of manifests that belong to no call


class Finder:
    """Finds calls by what lies in the object store and what stands in the database.

    Args:
        database: Open.
        objects: Where recordings and their manifests lie.
    """

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def by_name(self, name: str) -> Calls:
        """The call with this session id, or all calls of the room with this name.

        Raises:
            NothingToAuditError: neither a recording nor a row knows it.
        """
        return self._read(*self._named(name))

    def refs_by_name(self, name: str) -> Refs:
        """The same, not yet read in full."""
        return self._named(name)[0]

    def _named(self, name: str) -> tuple[Refs, Listing]:
        with self._database.begin(read_only=True) as connection:
            row = get_call(connection, name)
        listing = list_manifests(self._objects)
        sids = {name} if row else set()
        sids |= {r.room_sid for r in listing.recordings if name in (r.room_sid, r.room_name)}
        sids |= {sid for _, sid in listing.broken if sid == name}
        with self._database.begin(read_only=True) as connection:
            if recordings_of(connection, name) or claims_of(connection, name):
                sids.add(name)
            known = calls_since(connection, datetime(1970, 1, 1, tzinfo=UTC))
        sids |= {call.room_sid for call in known if call.room_name == name}
        if not sids:
            raise NothingToAuditError(
                f"no call and no recording with the id or room name {name!r} in "
                f"{self._objects.describe()}; `earmark audit --date DAY` lists a day's calls"
            )
        return self._refs(sids, listing, lambda started_at, day: True, orphans=False), listing

    def by_day(self, day: date) -> Calls:
        """All calls that began on a day of UTC.

        Raises:
            NothingToAuditError: there is none.
        """
        return self._read(*self._of_day(day))

    def refs_by_day(self, day: date) -> Refs:
        """The same, not yet read in full."""
        return self._of_day(day)[0]

    def since(self, since: datetime, until: datetime | None = None) -> Calls:
        """All calls that began at a moment or later, and before another where one is given.

        Raises:
            NothingToAuditError: there is none.
        """
        return self._read(*self._between(since, until))

    def refs_since(self, since: datetime, until: datetime | None = None) -> Refs:
        """The same, not yet read in full."""
        return self._between(since, until)[0]

    def call(self, ref: CallRef) -> Call:
        """All that is known of a call now.

        Raises:
            StorageError: the database or the object store cannot be reached.
        """
        listing = read_manifests(self._objects, ref.manifest_keys)
        with self._database.begin(read_only=True) as connection:
            return self._call(connection, ref.room_sid, listing)

    def _of_day(self, day: date) -> tuple[Refs, Listing]:
        with self._database.begin(read_only=True) as connection:
            known = calls_on(connection, day)
        listing = list_manifests(self._objects, lambda dated: abs(dated - day) <= _DAY_SLACK)
        sids = {call.room_sid for call in known} | listing.room_sids
        found = self._refs(sids, listing, lambda started_at, of_day: of_day == day)
        return self._some(found, f"no call and no recording of {day.isoformat()}"), listing

    def _between(self, since: datetime, until: datetime | None) -> tuple[Refs, Listing]:
        with self._database.begin(read_only=True) as connection:
            known = calls_since(connection, since)

        def is_wanted(started_at: datetime | None, day: date) -> bool:
            if started_at is not None:
                return started_at >= since and (until is None or started_at < until)
            return day >= since.date() and (until is None or day <= until.date())

        listing = list_manifests(self._objects, lambda dated: dated >= since.date() - _DAY_SLACK)
        sids = {call.room_sid for call in known} | listing.room_sids
        found = self._refs(sids, listing, is_wanted)
        what = f"no call and no recording since {since.isoformat()}"
        if until is not None:
            what += f" and before {until.isoformat()}"
        return self._some(found, what), listing

    def _some(self, found: Refs, message: str) -> Refs:
        if not found.refs and not found.unreadable:
            raise NothingToAuditError(
                f"{message} in {self._objects.describe()}; days are those of UTC"
            )
        return found

    def _refs(
        self,
        sids: set[str],
        listing: Listing,
        is_wanted: Callable[[datetime | None, date], bool],
        *,
        orphans: bool = True,
    ) -> Refs:
        found: list[tuple[date, CallRef]] = []
        with self._database.begin(read_only=True) as connection:
            for sid in sids:
                recordings = _joined(listing.of(sid), recordings_of(connection, sid))
                started_at = _call_start(get_call(connection, sid), recordings)
                broken = listing.broken_of(sid)
                day = started_at.date() if started_at else _day_of(broken)
                if is_wanted(started_at, day):
                    keys = (*listing.keys_of(sid), *broken)
                    found.append((day, CallRef(room_sid=sid, manifest_keys=keys)))
        lost = tuple(key for key, sid in listing.broken if sid is None) if orphans else ()
        found.sort(key=lambda each: (each[0], each[1].room_sid))
        return Refs(refs=tuple(ref for _, ref in found), unreadable=lost)

    def _read(self, found: Refs, listing: Listing) -> Calls:
        with self._database.begin(read_only=True) as connection:
            calls = tuple(self._call(connection, ref.room_sid, listing) for ref in found.refs)
        return Calls(calls=calls, unreadable=found.unreadable)

    def _call(self, connection: Connection, sid: str, listing: Listing) -> Call:
        row = get_call(connection, sid)
        recordings = _joined(listing.of(sid), recordings_of(connection, sid))
        started_at = _call_start(row, recordings)
        broken = listing.broken_of(sid)
        known_keys = {recording.object_key for recording in recordings}
        deleted = {
            mark.object_key: f"{DELETED}{mark.reason.value}"
            for mark in marks_of(connection, sid)
            if mark.deleted_at is not None
        }
        sources = [
            self._source(recording, started_at, deleted.get(recording.object_key))
            for recording in recordings
        ]
        sources += [
            _unreadable(key, number)
            for number, key in enumerate(broken, start=1)
            # A row of the database tells what its manifest no longer does.
            if not any(known.startswith(key.removesuffix("json")) for known in known_keys)
        ]
        names = [r.room_name for r in recordings if r.room_name]
        hits = hits_of(connection, sid)
        egresses = egresses_of(connection, sid)
        gaps = gaps_of(connection, sid)
        was_observed = row is not None and row.observer_joined_s is not None
        return Call(
            room_sid=sid,
            room_name=row.room_name if row else (names[0] if names else None),
            source="replay" if row is not None and row.source == "replay" else "livekit",
            started_at=started_at,
            ended_s=(
                (row.ended_at - row.created_at).total_seconds()
                if row is not None and row.ended_at is not None
                else None
            ),
            day=started_at.date() if started_at else _day_of(broken),
            sources=tuple(sources),
            members=tuple(
                Member(identity=p.identity, role=p.role, joined_s=p.joined_s, left_s=p.left_s)
                for p in participants_of(connection, sid)
            ),
            live=(
                LiveSide(
                    hits=hits,
                    raised_at=_raised_at(connection, sid),
                    gaps=gaps,
                    rulebook_fingerprint=row.rulebook_fingerprint if row else None,
                    joined_s=row.observer_joined_s if row else None,
                    speech=speech_of(connection, sid),
                )
                if was_observed or hits or gaps
                else None
            ),
            egresses=tuple(self._weighed(egress) for egress in egresses),
            claims=claims_of(connection, sid),
        )

    def _weighed(self, egress: Egress) -> Egress:
        """The egress, with what is wrong with its file now."""
        if egress.object_key is None or egress.size_bytes is None:
            return egress
        info = self._objects.head(egress.object_key)
        if info is None or info.size_bytes == egress.size_bytes:
            return egress  # a file that is not there is told of by the recording
        return replace(egress, problem="size_differs")

    def _source(
        self, recording: Recording, call_started_at: datetime | None, deleted: str | None
    ) -> Source:
        info = self._objects.head(recording.object_key)
        return Source(
            id=recording.track_id or recording.egress_id,
            name=recording.object_key,
            path=None,
            sha256=recording.sha256,
            size_bytes=info.size_bytes if info else None,
            speakers=(recording.identity or UNKNOWN,),
            clock=RecordingClock.of_recording(
                recording.started_at, call_started_at or recording.started_at
            ),
            duration_s=recording.duration_s,
            recorder=recording.recorder,
            is_mix=recording.identity is None,
            problem=deleted if info is None else None,  # one that is there again is heard
        )


def _joined(listed: Sequence[Recording], rows: Sequence[Recording]) -> list[Recording]:
    """Manifests and rows by object key. The row wins: webhooks correct the times in it."""
    by_key = {recording.object_key: recording for recording in listed}
    for row in rows:
        manifest = by_key.get(row.object_key, row)
        by_key[row.object_key] = replace(
            row,
            room_name=row.room_name or manifest.room_name,
            sha256=row.sha256 or manifest.sha256,
            call_started_at=row.call_started_at or manifest.call_started_at,
            # A webhook does not say whose track it was.
            identity=row.identity or manifest.identity,
            track_id=row.track_id or manifest.track_id,
            track_source=row.track_source or manifest.track_source,
        )
    return sorted(by_key.values(), key=lambda r: (r.started_at, r.object_key))


def _call_start(row: call_rows.Call | None, recordings: Sequence[Recording]) -> datetime | None:
    if row is not None:
        return row.created_at
    told = [r.call_started_at for r in recordings if r.call_started_at is not None]
    # Without anybody who knows the creation of the room, the first recording is the beginning.
    return min(told or [r.started_at for r in recordings], default=None)


def _day_of(keys: Sequence[str]) -> date:
    days = (day_in(key) for key in keys)
    return next((day for day in days if day is not None), datetime.now(UTC).date())


def _unreadable(key: str, number: int) -> Source:
    return Source(
        id=f"M{number}",
        name=key,
        path=None,
        sha256=None,
        size_bytes=None,
        speakers=(UNKNOWN,),
        clock=FILE_CLOCK,
        duration_s=None,
        recorder="earmark",
        problem="manifest_unreadable",
    )


def _raised_at(connection: Connection, room_sid: str) -> dict[str, datetime]:
    rows = connection.execute(
        select(HITS.c.hit_id, HITS.c.recorded_at).where(HITS.c.room_sid == room_sid)
    )
    return {hit_id: recorded_at for hit_id, recorded_at in rows}
