"""What was flagged on a call: live hits and audit findings side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from console.call_names import CallNames
from console.reports import Finding as ReportFinding
from console.reports import Mark, Report
from rules.types import Hit, HitState, Severity
from storage.findings import Finding, FindingKind


class Standing(StrEnum):
    """How live and audit stand to each other."""

    CONFIRMED = "confirmed"
    MISSED_LIVE = "missed_live"
    FALSE_ALARM_LIVE = "false_alarm_live"
    LIVE_NOT_RUN = "live_not_run"
    UNVERIFIED = "unverified"
    NOT_AUDITED = "not_audited"  # live only, and no audit yet
    NOT_COMPARED = "not_compared"  # live only, beside what the audit matched
    TAKEN_BACK = "taken_back"  # by the final words, still during the call


WORDS: Mapping[Standing, tuple[str, str]] = MappingProxyType(
    {
        Standing.CONFIRMED: ("Live and audit", "Raised live, and the audit finds it too."),
        Standing.MISSED_LIVE: ("Missed live", "Only the audit found it."),
        Standing.FALSE_ALARM_LIVE: (
            "False alarm live",
            "Raised live; the audit heard that part, and does not find it.",
        ),
        Standing.LIVE_NOT_RUN: (
            "Audit only",
            "The audit found it; nobody listened live, or not for this rule.",
        ),
        Standing.UNVERIFIED: ("Undecided", "What would decide it could not be heard."),
        Standing.NOT_AUDITED: ("Live only", "Raised live; the call is not audited yet."),
        Standing.NOT_COMPARED: (
            "Live, beside another",
            "Raised live, close to another hit that the audit was compared with.",
        ),
        Standing.TAKEN_BACK: (
            "Taken back",
            "Raised on interim words; the final words took it back.",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one side said of it."""

    rule_version: int
    start_s: float
    end_s: float
    excerpt: str  # masked
    score: float | None
    state: str | None = None  # of a live hit
    decided_s: float | None = None  # call clock: the word or deadline that decided it
    delay_s: float | None = None  # until the alert left


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One thing to judge, as both sides saw it.

    Attributes:
        number: From 1, in the order of time.
        subject: What a verdict is about: "hit" or "finding".
        subject_id: Its id.
        name: Who said it, as it may be shown; None for what nobody said.
        marks: The words, in the transcript that the page shows.
    """

    number: int
    subject: str
    subject_id: str
    rule_id: str
    rule_version: int
    title: str
    severity: Severity
    name: str | None
    start_s: float
    end_s: float
    standing: Standing
    live: Side | None
    audit: Side | None
    marks: tuple[Mark, ...] = ()

    @property
    def label(self) -> str:
        """How live and audit stand, in a word or two."""
        return WORDS[self.standing][0]

    @property
    def sentence(self) -> str:
        """The same in a sentence."""
        return WORDS[self.standing][1]

    @property
    def is_open(self) -> bool:
        """Whether there is something to decide."""
        return self.standing is not Standing.TAKEN_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSources:
    """What flags are made of."""

    report: Report | None
    findings: Sequence[Finding]  # rows of the same audit
    hits: Sequence[Hit]
    titles: Mapping[str, str]  # by rule id, of today's book
    is_audited: bool


def flags_of(sources: FlagSources, names: CallNames) -> tuple[Flag, ...]:
    """Everything flagged, in the order of time, numbered."""
    live = {hit.id: hit for hit in sources.hits}
    if sources.report is not None:
        found = [_from_report(each, live, names) for each in sources.report.findings]
        found += list(
            _from_rows(sources, live, names, skip={f.id for f in sources.report.findings})
        )
    else:
        found = list(_from_rows(sources, live, names))
    compared = {each.subject_id for each in found if each.live and not each.audit}
    compared |= _live_ids(sources)
    found += [_from_hit(hit, sources, names) for hit in sources.hits if hit.id not in compared]
    found.sort(key=lambda flag: (flag.start_s, flag.end_s, flag.rule_id, flag.subject_id))
    return tuple(_numbered(found))


def _live_ids(sources: FlagSources) -> set[str]:
    ids = {row.live_hit_id for row in sources.findings if row.live_hit_id}
    if sources.report is not None:
        ids |= {each.live_hit_id for each in sources.report.findings if each.live_hit_id}
    return ids


def _from_report(found: ReportFinding, live: Mapping[str, Hit], names: CallNames) -> Flag:
    standing = Standing(found.verdict.value)
    hit = live.get(found.live_hit_id or "")
    is_live_only = (
        found.live_hit_id is not None and found.live_hit_id == found.id and not found.marks
    )
    live_side = _live_side(hit, found.live_delay_s) if hit else None
    own = Side(
        rule_version=found.rule_version, start_s=found.start_s, end_s=found.end_s,
        excerpt=found.excerpt, score=found.score,
    )  # fmt: skip
    if live_side is None and found.live_hit_id is not None and is_live_only:
        live_side = own
    by_audit = standing not in {Standing.FALSE_ALARM_LIVE} and not (
        standing is Standing.UNVERIFIED and is_live_only
    )
    return Flag(
        number=0, subject="finding", subject_id=found.id, rule_id=found.rule_id,
        rule_version=found.rule_version, title=found.title, severity=found.severity,
        name=found.speaker, start_s=found.start_s, end_s=found.end_s, standing=standing,
        live=live_side, audit=own if by_audit else None, marks=found.marks,
    )  # fmt: skip


def _from_rows(
    sources: FlagSources, live: Mapping[str, Hit], names: CallNames, skip: set[str] | None = None
) -> Iterator[Flag]:
    """The findings of which only rows are left."""
    for row in sources.findings:
        if row.kind is not FindingKind.RULE or row.rule_id is None or row.id in (skip or ()):
            continue
        hit = live.get(row.live_hit_id or "")
        standing = Standing(row.verdict.value) if row.verdict else Standing.UNVERIFIED
        own = Side(
            rule_version=row.rule_version or 0, start_s=row.start_s or 0.0, end_s=row.end_s or 0.0,
            excerpt=row.excerpt or "", score=row.score,
        )  # fmt: skip
        is_live_only = standing is Standing.FALSE_ALARM_LIVE
        yield Flag(
            number=0, subject="finding", subject_id=row.id, rule_id=row.rule_id,
            rule_version=own.rule_version, title=sources.titles.get(row.rule_id, row.rule_id),
            severity=row.severity or Severity.INFO, name=names.maybe(row.speaker),
            start_s=own.start_s, end_s=own.end_s, standing=standing,
            live=_live_side(hit, None) if hit else (own if is_live_only else None),
            audit=None if is_live_only else own,
        )  # fmt: skip


def _from_hit(hit: Hit, sources: FlagSources, names: CallNames) -> Flag:
    if hit.state is HitState.RETRACTED:
        standing = Standing.TAKEN_BACK
    else:
        standing = Standing.NOT_COMPARED if sources.is_audited else Standing.NOT_AUDITED
    return Flag(
        number=0, subject="hit", subject_id=hit.id, rule_id=hit.rule_id,
        rule_version=hit.rule_version, title=sources.titles.get(hit.rule_id, hit.rule_id),
        severity=hit.severity, name=names.maybe(hit.speaker), start_s=hit.span.start_s,
        end_s=hit.span.end_s, standing=standing, live=_live_side(hit, None), audit=None,
    )  # fmt: skip


def _live_side(hit: Hit, delay_s: float | None) -> Side:
    return Side(
        rule_version=hit.rule_version, start_s=hit.span.start_s, end_s=hit.span.end_s,
        excerpt=hit.excerpt, score=hit.score, state=hit.state.value, decided_s=hit.at_s,
        delay_s=delay_s,
    )  # fmt: skip


def _numbered(found: Sequence[Flag]) -> Iterator[Flag]:
    for number, flag in enumerate(found, start=1):
        yield replace(flag, number=number)
