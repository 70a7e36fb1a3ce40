"""The report as data, and its way into and out of JSON.

What stands here is safe to keep beside the recordings: text is masked, and so are numbers in names.
`report.schema.json` beside this module is the same shape for other programs.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from offline.conduct import CallConduct, SpeakerConduct
from offline.errors import ReportFormatError
from offline.waveform import Waveform
from rules.types import Role, Severity
from storage.findings import CoverageCode, LiveVerdict

# Live alone raised it, or what would decide it could not be heard: the audit does not stand for it.
NOT_OF_THE_AUDIT: Final = frozenset({LiveVerdict.FALSE_ALARM_LIVE, LiveVerdict.UNVERIFIED})
# 1: without conduct, waveforms and redaction, which are then empty when it is read.
SCHEMA_VERSION: Final = 2

# Unknown keys are refused: a key that was misspelt would otherwise be a fact that is lost.
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class Headline(StrEnum):
    """What a report says in one word."""

    FINDINGS = "findings"  # rules were broken
    CLEAN = "clean"  # everything was checked, and nothing found
    INCOMPLETE = "incomplete"  # nothing found, and not everything checked


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class CallInfo:
    """Which call."""

    room_sid: str
    room_name: str | None
    source: Literal["livekit", "replay", "files"]
    started_at: datetime | None
    day: date
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Speaker:
    """Somebody on the call."""

    name: str
    role: Role | None
    n_utterances: int
    speech_s: float
    checked_s: float
    speech: tuple[tuple[float, float], ...]  # where they speak: (start_s, end_s), call clock
    conduct: SpeakerConduct | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RedactedCopy:
    """A copy of a recording in which personal data cannot be heard."""

    key: str  # in the object store
    n_covered: int  # places
    covered_s: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RecordingInfo:
    """One audio file, and how far it was checked."""

    name: str
    speakers: tuple[str, ...]
    sha256: str | None  # of the bytes that were read
    is_hash_verified: bool  # there was a promised hash, and it is this one
    start_s: float  # call clock
    duration_s: float
    status: Literal["checked", "partly_checked", "not_checked"]
    checked_s: float | None = None  # of its length, by whichever voice was checked least
    redacted: RedactedCopy | None = None
    to_be_deleted: str | None = None  # why the recording must not be kept, a code
    # What said where it lies: "manifest", "timeline" (what live heard), "refused" (too far away).
    alignment: str | None = None
    offset_found_s: float | None = None  # how much later than its recorder says, as it seems
    offset_confidence_ratio: float | None = None  # of that, in [0.0, 1.0]
    drift_s: float | None = None  # how much later its end lies than its beginning says


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RedactionInfo:
    """How redacted copies were made."""

    style: Literal["tone", "silence"]
    words: Literal["personal", "hits"]  # whose words are covered
    pad_s: float
    transcript_key: str  # what was said, masked, as WebVTT beside the sound


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class CoverageFinding:
    """Something that was not checked, or not heard live."""

    code: CoverageCode
    detail: str  # a code
    message: str  # a sentence
    speaker: str | None
    recording: str | None
    start_s: float | None
    end_s: float | None
    is_harmless: bool  # the audit could check it all the same


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Mark:
    """A piece of an utterance that belongs to a finding."""

    utterance_id: str
    start_chars: int
    end_chars: int


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RuleFinding:
    """A rule that was broken, by the audit, by what was raised live, or by both."""

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
    live_delay_s: float | None  # from the end of what was said until the alert left
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class UtteranceLine:
    """What one speaker said, masked."""

    id: str
    speaker: str
    start_s: float
    end_s: float
    text: str


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
    published_version: int | None = None  # of the published rules; None of rules from files


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Engines:
    """What ran."""

    transcriber: str
    vad: str
    diarizer: str | None = None  # what told voices apart, where a recording held several
    similarity: str | None = None  # the model of sentences, where a rule needed it
    pipeline_version: int
    earmark_version: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RuleScore:
    """How one rule did live, measured against the audit."""

    rule_id: str
    title: str
    n_confirmed: int
    n_missed_live: int
    n_false_alarm_live: int
    n_unverified: int
    precision_ratio: float | None
    recall_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Reconciliation:
    """Live against audit."""

    live_ran: bool
    rules: tuple[RuleScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Report:
    """The authoritative report on one call."""

    schema_version: Literal[1, 2]
    audit_key: str
    headline: Headline
    is_complete: bool  # everything was checked
    made_at: datetime
    call: CallInfo
    speakers: tuple[Speaker, ...]
    recordings: tuple[RecordingInfo, ...]
    coverage: tuple[CoverageFinding, ...]
    findings: tuple[RuleFinding, ...]
    utterances: tuple[UtteranceLine, ...]
    engines: Engines
    rulebook: RulebookInfo
    reconciliation: Reconciliation
    conduct: CallConduct | None = None
    waveforms: tuple[Waveform, ...] = ()
    redaction: RedactionInfo | None = None

    @property
    def audit_findings(self) -> tuple[RuleFinding, ...]:
        """Findings that the audit itself stands for: neither false alarms nor undecided ones."""
        return tuple(found for found in self.findings if found.verdict not in NOT_OF_THE_AUDIT)


_ADAPTER = TypeAdapter(Report)


def dump_report(report: Report) -> bytes:
    """The report as JSON in UTF-8."""
    return _ADAPTER.dump_json(report, indent=1) + b"\n"


def parse_report(data: bytes) -> Report:
    """Read a report's JSON.

    Raises:
        ReportFormatError: it is no report, or of another version; the message names the field.
    """
    try:
        return _ADAPTER.validate_json(data)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_context=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise ReportFormatError(f"report: {place}: {first['msg']}") from None


def report_schema() -> dict[str, Any]:
    """JSON Schema of a report."""
    schema = _ADAPTER.json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
