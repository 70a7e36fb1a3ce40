"""Recordings and the manifests that describe them, Egress's and those of our own recorder.

Egress writes a manifest beside each file (livekit/egress, pkg/config/manifest.go): the ids, the
times of the egress in nanoseconds, and the files. Ours has the same keys, and more under "earmark".
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from storage.errors import ManifestError, ObjectKeyError
from storage.keys import checked_key

MAX_MANIFEST_BYTES = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One audio file of a call, and what is known of it."""

    object_key: str
    sha256: str | None  # None until somebody has read the bytes
    egress_id: str
    room_sid: str
    room_name: str = field(repr=False)
    identity: str | None = field(repr=False)  # None for a mix of several participants
    track_id: str | None  # None for a mix
    track_source: str | None  # None for a mix
    started_at: datetime  # UTC, of the file's first sample; see parse_manifest for Egress
    ended_at: datetime  # UTC
    duration_s: float
    call_started_at: datetime | None  # creation of the room; None where the manifest has none
    recorder: Literal["egress", "earmark"]


def recording_key(day: date, room_sid: str, track_id: str) -> str:
    """Where a track's audio lies. Identities are no part of it: they may be phone numbers.

    Args:
        day: The day on which the call began, UTC.
        room_sid: The call.
        track_id: The track.

    Raises:
        ObjectKeyError: an id is not made of letters, digits, '_', '-' and '.'.

    >>> recording_key(date(2026, 3, 1), "RM_a", "TR_b")
    'recordings/2026-03-01/RM_a/TR_b.ogg'
    """
    for name, value in (("room_sid", room_sid), ("track_id", track_id)):
        if not _ID.fullmatch(value):
            raise ObjectKeyError(f"recording key: the {name} {value[:80]!a} is not an id")
    return f"recordings/{day.isoformat()}/{room_sid}/{track_id}.ogg"


def manifest_key(object_key: str) -> str:
    """Where the manifest of a recording lies that we made: beside it, ending in .json.

    Egress names its manifests otherwise, so look for those by listing.
    """
    return f"{posixpath.splitext(checked_key(object_key))[0]}.json"


# NUL cannot be stored by PostgreSQL, and a manifest that has it comes from no recorder.
_Text = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]
_Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]


class _Foreign(BaseModel):
    # Egress adds keys with its releases (presigned_url is one), and a recording must not be lost
    # over a key that we do not need.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _File(_Foreign):
    filename: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    location: _Text = ""


class _Ours(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None
    file_started_at: datetime
    call_started_at: datetime | None
    duration_s: Annotated[float, Field(ge=0)]


class _Manifest(_Foreign):
    egress_id: Annotated[_Text, StringConstraints(min_length=1)]
    room_id: Annotated[_Text, StringConstraints(min_length=1)]
    # Egress leaves out what is empty.
    room_name: _Text = ""
    started_at: _Nanoseconds = 0
    ended_at: _Nanoseconds = 0
    publisher_identity: _Text = ""
    track_id: _Text = ""
    audio_track_id: _Text = ""
    track_source: _Text = ""
    files: list[_File] = Field(default_factory=list)
    earmark: _Ours | None = None


def parse_manifest(data: bytes, *, manifest_key: str) -> Recording:
    """Read a manifest, Egress's or ours.

    An Egress manifest holds the times of the egress, not of the file, which can begin hundreds of
    milliseconds later: replace `started_at` by the `file_results[].started_at` of the webhook where
    it came, or align by the sound.

    Args:
        data: The manifest's bytes.
        manifest_key: Its object key. The recording lies beside it, whatever prefix the bucket has.

    Raises:
        ManifestError: it is no manifest of exactly one recorded file; the message names the field.
    """

    def refused(why: str) -> ManifestError:
        return ManifestError(f"manifest {manifest_key}: {why}")

    if len(data) > MAX_MANIFEST_BYTES:
        raise refused(f"is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        read = _Manifest.model_validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_context=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise refused(f"{place}: {first['msg']}" if place else "is not a JSON object") from None
    if len(read.files) != 1:
        raise refused(f"lists {len(read.files)} files; a recording has one")
    object_key = posixpath.join(
        posixpath.dirname(manifest_key), posixpath.basename(read.files[0].filename)
    )
    try:
        checked_key(object_key)
        started_at, ended_at = _utc(read.started_at), _utc(read.ended_at)
        if ended_at < started_at or not read.started_at:
            raise refused("needs a started_at, and an ended_at that is not before it")
        ours = read.earmark
        if ours is not None:
            started_at = ours.file_started_at.astimezone(UTC)
            if ours.file_started_at.tzinfo is None:
                raise refused("earmark.file_started_at: has no time zone")
            if ours.call_started_at is not None and ours.call_started_at.tzinfo is None:
                raise refused("earmark.call_started_at: has no time zone")
        call_started_at = ours.call_started_at if ours else None
        return Recording(
            object_key=object_key,
            sha256=ours.sha256 if ours else None,
            egress_id=read.egress_id,
            room_sid=read.room_id,
            room_name=read.room_name,
            identity=read.publisher_identity or None,
            track_id=read.track_id or read.audio_track_id or None,
            track_source=(read.track_source if ours else read.track_source.lower()) or None,
            started_at=started_at,
            ended_at=ended_at,
            duration_s=ours.duration_s if ours else (ended_at - started_at).total_seconds(),
            call_started_at=call_started_at.astimezone(UTC) if call_started_at else None,
            recorder="earmark" if ours else "egress",
        )
    except OverflowError:
        raise refused("a time is out of range") from None
    except ObjectKeyError:
        raise refused("files.0.filename: is not a name") from None


def write_manifest(recording: Recording) -> bytes:
    """The manifest of a recording of ours, JSON in UTF-8; `parse_manifest` gives it back."""
    record: dict[str, object] = {
        "egress_id": recording.egress_id,
        "room_id": recording.room_sid,
        "room_name": recording.room_name,
        "started_at": _nanoseconds(recording.started_at),
        "ended_at": _nanoseconds(recording.ended_at),
        "publisher_identity": recording.identity,
        "track_id": recording.track_id,
        "track_kind": "audio",
        "track_source": recording.track_source,
        "files": [{"filename": recording.object_key, "location": recording.object_key}],
        "earmark": {
            "sha256": recording.sha256,
            "file_started_at": recording.started_at.astimezone(UTC).isoformat(),
            "call_started_at": (
                recording.call_started_at.astimezone(UTC).isoformat()
                if recording.call_started_at
                else None
            ),
            "duration_s": recording.duration_s,
        },
    }
    written = {key: value for key, value in record.items() if value not in (None, "")}
    return (json.dumps(written, ensure_ascii=False, indent=1) + "\n").encode()


def _utc(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
