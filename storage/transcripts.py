"""Transcripts of calls as the audit heard them, kept only where somebody has asked for that.

A transcript holds what was said unmasked, and identities: it is personal data, and lies in the
object store under a prefix of its own. It is the row of events that the audit fed to the engine, so
that other rules can be tried on the same call later. JSON lines in UTF-8: a header of `type`
`transcript`, then one event a line.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rules.errors import RuleInputError, RulesError
from rules.types import (
    CallEnded,
    Event,
    HeardUntil,
    Participant,
    Role,
    Span,
    Utterance,
    Word,
)
from storage.errors import TranscriptError
from storage.objects import ObjectStore

PREFIX = "transcripts/"
CONTENT_TYPE = "application/jsonl"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said on a call, and where the words come from."""

    room_sid: str
    audit_key: str  # of the audit that wrote it
    rulebook_fingerprint: str  # of the rules that this audit had
    pipeline: Mapping[str, object]  # models and options, JSON
    is_complete: bool  # the whole call was heard
    made_at: datetime  # UTC
    events: tuple[Event, ...] = field(repr=False)  # in the order in which the engine took them


def transcript_key(day: date, room_sid: str) -> str:
    """Where the transcript of a call lies.

    Args:
        day: The day of the call, as in the key of its report.
        room_sid: The call.

    >>> transcript_key(date(2026, 3, 1), "RM_a")
    'transcripts/2026-03-01/RM_a/transcript.jsonl'
    """
    return f"{PREFIX}{day.isoformat()}/{room_sid}/transcript.jsonl"


def dump_transcript(transcript: Transcript) -> bytes:
    """The transcript as JSON lines; `parse_transcript` gives it back."""
    header = {
        "type": "transcript",
        "schema_version": SCHEMA_VERSION,
        "room_sid": transcript.room_sid,
        "audit_key": transcript.audit_key,
        "rulebook_fingerprint": transcript.rulebook_fingerprint,
        "pipeline": transcript.pipeline,
        "is_complete": transcript.is_complete,
        "made_at": transcript.made_at.isoformat(),
    }
    lines = [header, *(_event_json(event) for event in transcript.events)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def parse_transcript(data: bytes, *, key: str) -> Transcript:
    """Read a transcript.

    Args:
        data: Its bytes.
        key: Its object key, for messages.

    Raises:
        TranscriptError: it is none, or of another version; the message names line and field.
    """
    lines = iter(enumerate(data.splitlines(), start=1))
    first = next(lines, None)
    if first is None:
        raise TranscriptError(f"{key}: is empty; audit the call again")
    header = _read(_HEADER, first, key)
    events = tuple(_events(lines, key))
    if not events or not isinstance(events[-1], CallEnded):
        raise TranscriptError(f"{key}: ends before the call does; audit the call again")
    return Transcript(
        room_sid=header.room_sid,
        audit_key=header.audit_key,
        rulebook_fingerprint=header.rulebook_fingerprint,
        pipeline=header.pipeline,
        is_complete=header.is_complete,
        made_at=header.made_at,
        events=events,
    )


def forget_transcripts(
    objects: ObjectStore, *, before: datetime, held: Collection[str] = ()
) -> int:
    """Remove all transcripts that were written before a moment.

    Args:
        objects: The store.
        before: UTC.
        held: Session ids of calls of which nothing may be removed.

    Returns:
        How many were removed.
    """
    old = [
        found.key
        for found in objects.list(PREFIX)
        if found.modified_at < before and not any(room_sid in found.key for room_sid in held)
    ]
    for key in old:
        objects.delete(key)
    return len(old)


# As JSON. A word is (start_chars, end_chars, start_s, end_s, confidence): its text stands in the
# utterance's.
_WordRow = tuple[int, int, float, float, float | None]


class _Line(BaseModel):
    # A key that is not known could be a fact that the engine would miss.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _HeaderLine(_Line):
    type: Literal["transcript"]
    schema_version: Literal[1]
    room_sid: str
    audit_key: str
    rulebook_fingerprint: str
    pipeline: dict[str, Any]
    is_complete: bool
    made_at: datetime


class _ParticipantLine(_Line):
    type: Literal["participant"]
    identity: str
    role: Role | None
    attributes: dict[str, str]


class _UtteranceLine(_Line):
    type: Literal["utterance"]
    id: str
    speaker: str | None
    start_s: float
    end_s: float
    text: str
    words: list[_WordRow]
    final: bool
    revision: int


class _HeardUntilLine(_Line):
    type: Literal["heard_until"]
    at_s: float


class _CallEndedLine(_Line):
    type: Literal["call_ended"]
    at_s: float


_EventLine = _ParticipantLine | _UtteranceLine | _HeardUntilLine | _CallEndedLine
_Read = TypeVar("_Read")
_HEADER: TypeAdapter[_HeaderLine] = TypeAdapter(_HeaderLine)
_EVENT: TypeAdapter[_EventLine] = TypeAdapter(Annotated[_EventLine, Field(discriminator="type")])


def _events(lines: Iterator[tuple[int, bytes]], key: str) -> Iterator[Event]:
    for line in lines:
        read = _read(_EVENT, line, key)
        try:
            yield _event(read)
        except RulesError as exc:
            raise TranscriptError(f"{key}: line {line[0]}: {exc}") from None


def _read(adapter: TypeAdapter[_Read], line: tuple[int, bytes], key: str) -> _Read:
    number, data = line
    try:
        return adapter.validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_context=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f"line {number}: {place}" if place else f"line {number}"
        # The kind of fault and not its sentence, which may quote what was said.
        raise TranscriptError(f"{key}: {where}: {first['type']}; audit the call again") from None


def _event(line: _EventLine) -> Event:
    match line:
        case _ParticipantLine():
            return Participant(
                identity=line.identity,
                role=line.role,
                attributes=tuple(sorted(line.attributes.items())),
            )
        case _HeardUntilLine():
            return HeardUntil(at_s=line.at_s)
        case _CallEndedLine():
            return CallEnded(at_s=line.at_s)
    if not all(0 <= start < end <= len(line.text) for start, end, *_ in line.words):
        raise RuleInputError(f"utterance {line.id}: a word lies outside of its text")
    return Utterance(
        id=line.id,
        speaker=line.speaker,
        span=Span(line.start_s, line.end_s),
        text=line.text,
        words=tuple(
            Word(
                text=line.text[start_chars:end_chars],
                span=Span(start_s, end_s),
                start_chars=start_chars,
                confidence=confidence,
            )
            for start_chars, end_chars, start_s, end_s, confidence in line.words
        ),
        is_final=line.final,
        revision=line.revision,
    )


def _event_json(event: Event) -> dict[str, object]:
    match event:
        case Participant():
            return {
                "type": "participant",
                "identity": event.identity,
                "role": event.role.value if event.role else None,
                "attributes": dict(event.attributes),
            }
        case HeardUntil():
            return {"type": "heard_until", "at_s": event.at_s}
        case CallEnded():
            return {"type": "call_ended", "at_s": event.at_s}
    return {
        "type": "utterance",
        "id": event.id,
        "speaker": event.speaker,
        "start_s": event.span.start_s,
        "end_s": event.span.end_s,
        "text": event.text,
        "words": [
            (word.start_chars, word.end_chars, word.span.start_s, word.span.end_s, word.confidence)
            for word in event.words
        ],
        "final": event.is_final,
        "revision": event.revision,
    }
