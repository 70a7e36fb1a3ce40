"""Reads an audit's report, as far as the console shows it.

The report is a contract between programs (`offline/report.schema.json`), and this is its reader on
the console's side. Keys that it does not know are passed over: a report with more in it than is
shown is still worth showing. Another version is another contract, and is not guessed at.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from rules.types import Role, Severity
from storage.errors import ObjectMissingError
from storage.findings import LiveVerdict
from storage.objects import ObjectStore

MAX_BYTES: Final = 64 * 1024 * 1024  # of a whole day's call; more is no report
_CONFIG = ConfigDict(extra="ignore", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class CallInfo:
    """Which call."""

    room_sid: str
    room_name: str | None
    started_at: datetime | None
    day: date
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Speaker:
    """Somebody on the call, by a name that may be shown."""

    name: str
    role: Role | None
    n_utterances: int
    speech_s: float
    checked_s: float
    speech: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RedactedCopy:
    """A copy in which personal data cannot be heard."""

    key: str
    n_covered: int
    covered_s: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RecordingInfo:
    """One audio file, and how far it was checked."""

    name: str  # an object key, or the name of a local file
    speakers: tuple[str, ...]
    sha256: str | None
    is_hash_verified: bool
    start_s: float
    duration_s: float
    status: Literal["checked", "partly_checked", "not_checked"]
    checked_s: float | None = None
    redacted: RedactedCopy | None = None
    to_be_deleted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Gap:
    """Something that was not checked, or not heard live."""

    code: str
    detail: str
    message: str
    speaker: str | None
    recording: str | None
    start_s: float | None
    end_s: float | None
    is_harmless: bool


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Mark:
    """A piece of an utterance that belongs to a finding."""

    utterance_id: str
    start_chars: int
    end_chars: int


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Finding:
    """A rule, and how live and audit stand to it."""

    id: str
    rule_id: str
    rule_version: int
    title: str
    severity: Severity
    speaker: str | None
    start_s: float
    end_s: float
    excerpt: str
    score: float
    verdict: LiveVerdict
    live_hit_id: str | None
    live_delay_s: float | None
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Line:
    """What one speaker said, masked."""

    id: str
    speaker: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Engines:
    """What ran."""

    transcriber: str
    vad: str
    diarizer: str | None = None
    similarity: str | None = None
    pipeline_version: int
    earmark_version: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Pack:
    """A rule pack in force."""

    id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RulebookInfo:
    """The rules of the audit, and whether live had the same."""

    packs: tuple[Pack, ...]
    n_rules: int
    fingerprint: str
    live_fingerprint: str | None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Waveform:
    """How loud a voice is, step by step: base64 of one byte a step, 255 = full scale."""

    speakers: tuple[str, ...]
    start_s: float
    step_s: float
    levels: str

    def bytes_a_step(self) -> NDArray[np.uint8]:
        """The levels, shape (n_steps,); none where they cannot be read."""
        try:
            return np.frombuffer(b64decode(self.levels, validate=True), np.uint8)
        except ValueError:
            return np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RedactionInfo:
    """How redacted copies were made."""

    style: str
    transcript_key: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Report:
    """What the audit says of one call."""

    schema_version: Literal[1, 2]  # of 1: without waveforms and redaction
    audit_key: str
    headline: Literal["findings", "clean", "incomplete"]
    is_complete: bool
    made_at: datetime
    call: CallInfo
    speakers: tuple[Speaker, ...]
    recordings: tuple[RecordingInfo, ...]
    coverage: tuple[Gap, ...]
    findings: tuple[Finding, ...]
    utterances: tuple[Line, ...]
    engines: Engines
    rulebook: RulebookInfo
    waveforms: tuple[Waveform, ...] = ()
    redaction: RedactionInfo | None = None


class ReportState(StrEnum):
    """Why there is a report, or none."""

    THERE = "there"
    NOT_AUDITED = "not_audited"
    GONE = "gone"  # its rows are there, and its object is not
    UNREADABLE = "unreadable"  # it is damaged, of another version, or of another call


_ADAPTER = TypeAdapter(Report)


def read_report(objects: ObjectStore, key: str, room_sid: str) -> tuple[ReportState, Report | None]:
    """The report under a key, if it is one of this call.

    Args:
        objects: Where reports lie.
        key: From the ledger of audits.
        room_sid: The call that it must be about.

    Raises:
        StorageError: the store cannot be asked.
    """
    info = objects.head(key)
    if info is None:
        return ReportState.GONE, None
    if info.size_bytes > MAX_BYTES:
        return ReportState.UNREADABLE, None
    try:
        data = objects.get_bytes(key)
    except ObjectMissingError:
        return ReportState.GONE, None
    try:
        report = _ADAPTER.validate_json(data)
    except ValidationError:
        return ReportState.UNREADABLE, None
    if report.call.room_sid != room_sid:
        return ReportState.UNREADABLE, None
    return ReportState.THERE, report
