"""Finding calls by their recordings in the object store and their rows in the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from offline.call import UNKNOWN, Call, LiveSide, Member, Source
from offline.clock import FILE_CLOCK, RecordingClock
from offline.errors import NothingToAuditError
from storage import calls as call_rows
from storage.calls import calls_on, calls_since, get_call, participants_of
from storage.database import Connection, Database
from storage.egress_claims import claims_of
from storage.egresses import Egress, egresses_of
from storage.errors import ManifestError
from storage.gaps import gaps_of
from storage.hits import hits_of
from storage.manifest import Recording, parse_manifest
from storage.objects import ObjectStore
from storage.recordings import recordings_of
from storage.tables import HITS

RECORDINGS = "recordings/"
# Egress may be told to name folders by the day of the recording: around midnight, not the call's.
_DAY_SLACK = timedelta(days=1)
_DATED = re.compile(r"recordings/(\d{4}-\d{2}-\d{2})/(?:([^/]+)/)?")


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
        with self._database.begin(read_only=True) as connection:
            row = get_call(connection, name)
        listing = self._list(None)
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
        return self._calls(sids, listing, lambda call: True, orphans=False)

    def by_day(self, day: date) -> Calls:
        """All calls that began on a day of UTC.

        Raises:
            NothingToAuditError: there is none.
        """
        with self._database.begin(read_only=True) as connection:
            known = calls_on(connection, day)
        listing = self._list(lambda dated: abs(dated - day) <= _DAY_SLACK)
        sids = {call.room_sid for call in known} | {r.room_sid for r in listing.recordings}
        sids |= {sid for _, sid in listing.broken if sid is not None}
        found = self._calls(sids, listing, lambda call: call.day == day)
        return self._some(found, f"no call and no recording of {day.isoformat()}")

    def since(self, since: datetime) -> Calls:
        """All calls that began at a moment or later.

        Raises:
            NothingToAuditError: there is none.
        """
        with self._database.begin(read_only=True) as connection:
            known = calls_since(connection, since)
        listing = self._list(lambda dated: dated >= since.date() - _DAY_SLACK)
        sids = {call.room_sid for call in known} | {r.room_sid for r in listing.recordings}
        sids |= {sid for _, sid in listing.broken if sid is not None}
        found = self._calls(
            sids,
            listing,
            lambda call: (
                call.started_at >= since
                if call.started_at is not None
                else call.day >= since.date()
            ),
        )
        return self._some(found, f"no call and no recording since {since.isoformat()}")

    def _some(self, found: Calls, message: str) -> Calls:
        if not found.calls and not found.unreadable:
            raise NothingToAuditError(
                f"{message} in {self._objects.describe()}; days are those of UTC"
            )
        return found

    def _list(self, wanted: Callable[[date], bool] | None) -> _Listing:
        recordings: list[Recording] = []
        broken: list[tuple[str, str | None]] = []
        for found in self._objects.list(RECORDINGS):
            if not found.key.endswith(".json"):
                continue
            dated = _DATED.match(found.key)
            if dated and wanted is not None and not _is_wanted(dated[1], wanted):
                continue
            try:
                recordings.append(
                    parse_manifest(self._objects.get_bytes(found.key), manifest_key=found.key)
                )
            except ManifestError:
                broken.append((found.key, dated[2] if dated else None))
        return _Listing(recordings=tuple(recordings), broken=tuple(broken))

    def _calls(
        self,
        sids: set[str],
        listing: _Listing,
        wanted: Callable[[Call], bool],
        *,
        orphans: bool = True,
    ) -> Calls:
        with self._database.begin(read_only=True) as connection:
            found = [self._call(connection, sid, listing) for sid in sorted(sids)]
        chosen = sorted((c for c in found if wanted(c)), key=lambda c: (c.day, c.room_sid))
        lost = tuple(key for key, sid in listing.broken if sid is None) if orphans else ()
        return Calls(calls=tuple(chosen), unreadable=lost)

    def _call(self, connection: Connection, sid: str, listing: _Listing) -> Call:
        row = get_call(connection, sid)
        recordings = _joined(
            [r for r in listing.recordings if r.room_sid == sid], recordings_of(connection, sid)
        )
        started_at = _call_start(row, recordings)
        broken = [key for key, of_sid in listing.broken if of_sid == sid]
        known_keys = {recording.object_key for recording in recordings}
        sources = [self._source(recording, started_at) for recording in recordings]
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

    def _source(self, recording: Recording, call_started_at: datetime | None) -> Source:
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
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    recordings: tuple[Recording, ...]
    broken: tuple[tuple[str, str | None], ...]  # key of a manifest, and the call its path names


def _is_wanted(day: str, wanted: Callable[[date], bool]) -> bool:
    try:
        return wanted(date.fromisoformat(day))
    except ValueError:
        return True  # a folder that only looks like a day


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
    for key in keys:
        dated = _DATED.match(key)
        if dated:
            return date.fromisoformat(dated[1])
    return datetime.now(UTC).date()


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
