"""What can be heard of a call, and by whom.

Masked sound is the redacted copy, or the recording itself where the audit heard all of it and found
nothing that has to be covered. Everything else is closed: of what nobody checked nobody knows
whether a card number is in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from console.call_names import CallNames
from console.reports import RecordingInfo, Report
from rules.masking import MASK
from storage.deletion_marks import DeletionMark
from storage.errors import ObjectKeyError
from storage.keys import checked_key
from storage.manifest import Recording
from storage.objects import ObjectInfo, ObjectStore

REDACTED = "redacted/"


class Hearing(StrEnum):
    """How a recording can be heard by whoever may see the call."""

    COPY = "copy"  # the redacted copy
    WHOLE = "whole"  # the recording: nothing in it is covered
    CLOSED = "closed"  # unmasked only, for a reason
    GONE = "gone"  # there is no such sound any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """One recording of a call.

    Attributes:
        id: Opaque, and stable as long as the recording is; means nothing in another call.
        names: Whose voices, as they may be shown; none for a mix of unknown people.
        start_s: Call clock.
        duration_s: As far as anybody knows; 0 = nobody does.
        hearing: How it can be heard masked.
        why: Why so, in a sentence.
        masked: What is sent where it is masked; None where nothing is.
        original: What is sent unmasked; None where it is gone.
        sha256: Of the bytes that the audit heard; a recording is sent masked only if it has them.
        n_covered: Places that are covered in the copy.
    """

    id: str
    names: tuple[str, ...]
    start_s: float
    duration_s: float
    hearing: Hearing
    why: str
    masked: ObjectInfo | None
    original: ObjectInfo | None
    sha256: str | None = None
    n_covered: int | None = None
    note: str | None = None  # what a person should know, such as that it will be deleted

    @property
    def is_there(self) -> bool:
        """Whether anything of it is left."""
        return self.masked is not None or self.original is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSources:
    """What is known of a call's recordings."""

    room_sid: str
    report: Report | None
    recordings: Sequence[Recording]
    marks: Sequence[DeletionMark]
    created_at: datetime | None  # UTC, of the call


def sound_id(key: str) -> str:
    """The id of a recording: of its key, which itself stands in no address."""
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def sounds_of(sources: SoundSources, objects: ObjectStore, names: CallNames) -> tuple[Sound, ...]:
    """All recordings of a call, in the order of their beginning.

    Raises:
        StorageError: the store cannot be asked.
    """
    told = {each.name: each for each in (sources.report.recordings if sources.report else ())}
    rows = {each.object_key: each for each in sources.recordings}
    found = [
        _sound(key, rows.get(key), told.get(key), sources, objects, names)
        for key in dict.fromkeys((*rows, *told))
    ]
    return tuple(sorted(found, key=lambda sound: (sound.start_s, sound.names, sound.id)))


def _sound(
    key: str,
    row: Recording | None,
    told: RecordingInfo | None,
    sources: SoundSources,
    objects: ObjectStore,
    names: CallNames,
) -> Sound:
    # A name in a report is a key only where the database knows it, or where it lies in the folder
    # of this call: a report is a file, and must not lead to another call's sound.
    is_ours = row is not None or _lies_in_call(key, sources.room_sid)
    original = _head(objects, key) if is_ours else None
    if told is not None:
        speakers, start_s, duration_s = told.speakers, told.start_s, told.duration_s
    else:
        identity = row.identity if row is not None else None
        speakers = (names.of(identity),) if identity is not None else ()
        start_s, duration_s = _row_place(row, sources.created_at)
    masked, hearing, why = _masked(row, told, original, sources, objects)
    return Sound(
        id=sound_id(key),
        names=speakers,
        start_s=start_s,
        duration_s=duration_s,
        hearing=hearing,
        why=why,
        masked=masked,
        original=original,
        sha256=told.sha256 if told is not None else None,
        n_covered=told.redacted.n_covered if told and told.redacted else None,
        note=_note(key, original, told, sources),
    )


def _masked(
    row: Recording | None,
    told: RecordingInfo | None,
    original: ObjectInfo | None,
    sources: SoundSources,
    objects: ObjectStore,
) -> tuple[ObjectInfo | None, Hearing, str]:
    """What may be heard by everybody with the page, and why."""
    if told is not None and told.redacted is not None and sources.report is not None:
        prefix = f"{REDACTED}{sources.report.call.day.isoformat()}/{sources.room_sid}/"
        copy = _head(objects, told.redacted.key) if told.redacted.key.startswith(prefix) else None
        if copy is not None:
            said = (
                "personal data is covered in it"
                if told.redacted.n_covered
                else "nothing in it had to be covered"
            )
            return copy, Hearing.COPY, f"The redacted copy: {said}."
    if original is None:
        return None, Hearing.GONE, "There is no sound of this any more."
    why = why_closed(sources.report, told, row)
    if why is not None:
        return None, Hearing.CLOSED, why
    return original, Hearing.WHOLE, "The audit heard all of it, and found nothing to cover."


def why_closed(
    report: Report | None, told: RecordingInfo | None, row: Recording | None
) -> str | None:
    """Why a recording without a redacted copy may not be heard masked; None = it may be."""
    if report is None:
        return "No audit has checked what is said in it."
    if told is None:
        return "The audit did not know this recording."
    if told.redacted is not None:
        return "Its redacted copy is gone."
    if not report.is_complete or told.status != "checked":
        return "The audit could not check all of this call."
    if report.redaction is not None or any(MASK in line.text for line in report.utterances):
        return (
            "Personal data is said on this call, and there is no redacted copy of this recording."
        )
    if told.to_be_deleted is not None:
        return "It holds what must not be kept."
    promised = row.sha256 if row is not None else None
    if told.sha256 is None or (promised is not None and promised != told.sha256):
        return "It is not the recording that the audit heard."
    return None


def _note(
    key: str, original: ObjectInfo | None, told: RecordingInfo | None, sources: SoundSources
) -> str | None:
    reasons = {
        "card_security_code": "the security code of a card is said in it",
        "pin": "a PIN is said in it",
    }
    mark = next((each for each in sources.marks if each.object_key == key), None)
    if mark is not None:
        said = reasons.get(mark.reason.value, "it must not be kept")
        if mark.deleted_at is not None:
            return f"The recording was deleted on {mark.deleted_at:%Y-%m-%d}: {said}."
        return f"The recording is marked for deletion: {said}."
    if told is not None and told.to_be_deleted is not None:
        return (
            f"The recording must not be kept: {reasons.get(told.to_be_deleted, 'see the report')}."
        )
    if original is None:
        return "The recording itself is not in the object store."
    return None


def _row_place(row: Recording | None, created_at: datetime | None) -> tuple[float, float]:
    if row is None:
        return 0.0, 0.0
    began = row.call_started_at or created_at
    start_s = max(0.0, (row.started_at - began).total_seconds()) if began else 0.0
    return start_s, row.duration_s


def _lies_in_call(key: str, room_sid: str) -> bool:
    """Whether a key lies below `recordings/DAY/CALL/`."""
    parts = key.split("/")
    return len(parts) > 3 and parts[0] == "recordings" and parts[2] == room_sid


def _head(objects: ObjectStore, key: str) -> ObjectInfo | None:
    try:
        return objects.head(checked_key(key))
    except ObjectKeyError:
        return None


def sound_for(sounds: Sequence[Sound], wanted: str) -> Sound | None:
    """The sound with an id, if it is one of these."""
    return next((sound for sound in sounds if sound.id == wanted), None)


def seconds_of(
    sound: Sound, info: ObjectInfo, start_bytes: int, end_bytes: int
) -> tuple[float, float]:
    """About which seconds of the call some bytes hold, as if every second took as many."""
    size = max(1, info.size_bytes)
    return (
        round(sound.start_s + sound.duration_s * start_bytes / size, 1),
        round(sound.start_s + sound.duration_s * end_bytes / size, 1),
    )


_TYPES = {
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".oga": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".mp4": "audio/mp4",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".webm": "audio/webm",
}


def content_type_of(key: str) -> str:
    """The content type of a sound, by the end of its key."""
    return next(
        (kind for end, kind in _TYPES.items() if key.lower().endswith(end)),
        "application/octet-stream",
    )


def keys_of(sounds: Sequence[Sound]) -> Iterator[str]:
    """Object keys that any of these may send."""
    for sound in sounds:
        for info in (sound.masked, sound.original):
            if info is not None:
                yield info.key
