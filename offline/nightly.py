"""The summary of a day, as data: what was audited, what was found, and how live did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import quantiles
from typing import Final, Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from offline.call import DELETED
from offline.conduct import SpeakerConduct
from offline.report import Headline, RecordingInfo, Report
from rules.types import Severity
from storage.audited_days import RuleDay, Unaudited
from storage.findings import SCORED, CoverageCode, LiveVerdict

NIGHTLY_VERSION: Final = 1
TREND_DAYS = 30
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_SEVEREST_FIRST = tuple(reversed(Severity))
# Which measures of conduct are summed up, with the unit in which they are.
MEASURES: Mapping[str, str] = {
    "talk_ratio": "of all speech",
    "speech_rate_wpm": "words/min",
    "longest_monologue_s": "s",
    "n_interruptions": "a call",
    "response_latency_s": "s",
    "sentiment": "−1 to 1",  # noqa: RUF001 - a minus
}


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class CallLine:
    """One audited call."""

    room_sid: str
    headline: Headline
    is_complete: bool
    duration_s: float
    n_findings: int
    severest: Severity | None
    n_gaps: int


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class NotAudited:
    """One call without a report."""

    room_sid: str
    status: str  # never, running, failed, poisoned
    attempts: int
    error: str | None  # a code


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class TrendDay:
    """How one rule did live on one day."""

    day: date
    n_confirmed: int
    n_missed_live: int
    n_false_alarm_live: int
    precision_ratio: float | None
    recall_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class RuleSummary:
    """One rule: what the audits of the day found, and how it did live until then."""

    rule_id: str
    title: str
    severity: Severity | None  # None where the day has nothing of it
    n_findings: int  # of the day's audits
    n_calls: int  # with such a finding
    n_confirmed: int
    n_missed_live: int
    n_false_alarm_live: int
    n_unverified: int
    precision_ratio: float | None  # of the day
    recall_ratio: float | None
    trend_precision_ratio: float | None  # of all days of the trend
    trend_recall_ratio: float | None
    trend: tuple[TrendDay, ...]  # days on which there was something to compare


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Distribution:
    """A measure of conduct over all speakers of one role. Five numbers, in order."""

    measure: str
    unit: str
    role: str
    n: int
    least: float
    lower: float  # a quarter lies below
    middle: float
    upper: float  # a quarter lies above
    most: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Nightly:
    """The summary of one day."""

    schema_version: Literal[1]
    day: date
    made_at: datetime
    n_calls: int
    n_by_headline: dict[Headline, int]
    duration_s: float  # of all calls
    recorded_s: float  # of all recordings
    checked_s: float  # of it
    n_missing_recordings: int
    gaps: dict[CoverageCode, int]  # what was not checked, without what is harmless
    n_by_severity: dict[Severity, int]  # findings
    rules: tuple[RuleSummary, ...]
    conduct: tuple[Distribution, ...]
    calls: tuple[CallLine, ...]
    not_audited: tuple[NotAudited, ...]
    unreadable: tuple[str, ...]  # keys of reports
    n_to_be_deleted: int  # recordings of the day that must not be kept

    @property
    def is_whole(self) -> bool:
        """Whether every call of the day was audited, and wholly checked."""
        complete = all(call.is_complete for call in self.calls)
        return complete and not self.not_audited and not self.unreadable


_ADAPTER = TypeAdapter(Nightly)


def dump_nightly(nightly: Nightly) -> bytes:
    """The summary as JSON in UTF-8."""
    return _ADAPTER.dump_json(nightly, indent=1) + b"\n"


def parse_nightly(data: bytes) -> Nightly:
    """Read what `dump_nightly` made.

    Raises:
        pydantic.ValidationError: it is something else.
    """
    return _ADAPTER.validate_json(data)


class Summing:
    """Sums reports up, one at a time, so that a day of any size fits into memory."""

    def __init__(self) -> None:
        self._calls: list[CallLine] = []
        self._recorded_s = self._checked_s = 0.0
        self._n_missing = self._n_doomed = 0
        self._gaps: Counter[CoverageCode] = Counter()
        self._titles: dict[str, str] = {}
        self._severities: dict[str, Severity] = {}
        self._n_by_severity: Counter[Severity] = Counter()
        self._findings: Counter[str] = Counter()
        self._calls_with: Counter[str] = Counter()
        self._verdicts: Counter[tuple[str, LiveVerdict]] = Counter()
        self._measured: dict[tuple[str, str], list[float]] = {}

    def add(self, report: Report) -> None:
        """Take in a report."""
        own = report.audit_findings
        severities = sorted((found.severity for found in own), key=_SEVEREST_FIRST.index)
        gaps = [gap for gap in report.coverage if not gap.is_harmless]
        self._calls.append(
            CallLine(
                room_sid=report.call.room_sid,
                headline=report.headline,
                is_complete=report.is_complete,
                duration_s=report.call.duration_s,
                n_findings=len(own),
                severest=severities[0] if severities else None,
                n_gaps=len(gaps),
            )
        )
        self._gaps.update(gap.code for gap in gaps)
        self._n_missing += sum(
            gap.code is CoverageCode.RECORDING_MISSING and not gap.detail.startswith(DELETED)
            for gap in gaps
        )
        self._n_doomed += sum(each.to_be_deleted is not None for each in report.recordings)
        self._recorded_s += sum(each.duration_s for each in report.recordings)
        self._checked_s += sum(map(_checked_s, report.recordings))
        self._n_by_severity.update(severities)
        self._findings.update(found.rule_id for found in own)
        self._calls_with.update({found.rule_id for found in own})
        for found in report.findings:
            self._titles[found.rule_id] = found.title
            self._severities[found.rule_id] = found.severity
            self._verdicts[found.rule_id, found.verdict] += 1
        for speaker in report.speakers:
            if speaker.conduct is not None and speaker.conduct.talk_s > 0:
                role = speaker.role.value if speaker.role else "role unknown"
                for measure, value in _measures(speaker.conduct):
                    self._measured.setdefault((measure, role), []).append(value)

    def result(
        self,
        day: date,
        *,
        made_at: datetime,
        history: Iterable[RuleDay],
        not_audited: Sequence[Unaudited],
        unreadable: Sequence[str],
    ) -> Nightly:
        """The summary.

        Args:
            day: UTC.
            made_at: UTC.
            history: Of the last `TREND_DAYS` days, this one included.
            not_audited: Calls of the day without a report.
            unreadable: Keys of reports that could not be read.
        """
        trends = _trends(history)
        rule_ids = sorted({*self._titles, *trends})
        rules = tuple(self._rule(rule_id, trends.get(rule_id, ())) for rule_id in rule_ids)
        return Nightly(
            schema_version=NIGHTLY_VERSION,
            day=day,
            made_at=made_at,
            n_calls=len(self._calls),
            n_by_headline={
                headline: sum(call.headline is headline for call in self._calls)
                for headline in Headline
            },
            duration_s=round(sum(call.duration_s for call in self._calls), 1),
            recorded_s=round(self._recorded_s, 1),
            checked_s=round(self._checked_s, 1),
            n_missing_recordings=self._n_missing,
            gaps=dict(sorted(self._gaps.items())),
            n_by_severity={each: self._n_by_severity[each] for each in _SEVEREST_FIRST},
            rules=tuple(sorted(rules, key=_rank)),
            conduct=tuple(
                _distribution(measure, role, values)
                for measure in MEASURES
                for (name, role), values in sorted(self._measured.items())
                if name == measure
            ),
            calls=tuple(sorted(self._calls, key=_call_rank)),
            not_audited=tuple(
                NotAudited(
                    room_sid=each.room_sid,
                    status=each.status,
                    attempts=each.attempts,
                    error=each.error,
                )
                for each in not_audited
            ),
            unreadable=tuple(unreadable),
            n_to_be_deleted=self._n_doomed,
        )

    def _rule(self, rule_id: str, trend: tuple[TrendDay, ...]) -> RuleSummary:
        counts = {verdict: self._verdicts[rule_id, verdict] for verdict in LiveVerdict}
        precision, recall = _ratios(
            counts[LiveVerdict.CONFIRMED],
            counts[LiveVerdict.MISSED_LIVE],
            counts[LiveVerdict.FALSE_ALARM_LIVE],
        )
        trend_precision, trend_recall = _ratios(
            sum(each.n_confirmed for each in trend),
            sum(each.n_missed_live for each in trend),
            sum(each.n_false_alarm_live for each in trend),
        )
        return RuleSummary(
            rule_id=rule_id,
            title=self._titles.get(rule_id, rule_id),
            severity=self._severities.get(rule_id),
            n_findings=self._findings[rule_id],
            n_calls=self._calls_with[rule_id],
            n_confirmed=counts[LiveVerdict.CONFIRMED],
            n_missed_live=counts[LiveVerdict.MISSED_LIVE],
            n_false_alarm_live=counts[LiveVerdict.FALSE_ALARM_LIVE],
            n_unverified=counts[LiveVerdict.UNVERIFIED],
            precision_ratio=precision,
            recall_ratio=recall,
            trend_precision_ratio=trend_precision,
            trend_recall_ratio=trend_recall,
            trend=trend,
        )


def trend_begin(day: date) -> date:
    """The first day of the trend that ends with a day."""
    return day - timedelta(days=TREND_DAYS - 1)


def _trends(history: Iterable[RuleDay]) -> dict[str, tuple[TrendDay, ...]]:
    counts: dict[tuple[str, date], Counter[LiveVerdict]] = {}
    for each in history:
        counts.setdefault((each.rule_id, each.day), Counter())[each.verdict] += each.n_findings
    trends: dict[str, tuple[TrendDay, ...]] = {}
    for (rule_id, day), found in sorted(counts.items()):
        confirmed, missed, false = (found[verdict] for verdict in SCORED)
        precision, recall = _ratios(confirmed, missed, false)
        if confirmed or missed or false:
            trends[rule_id] = (
                *trends.get(rule_id, ()),
                TrendDay(
                    day=day,
                    n_confirmed=confirmed,
                    n_missed_live=missed,
                    n_false_alarm_live=false,
                    precision_ratio=precision,
                    recall_ratio=recall,
                ),
            )
    return trends


def _ratios(confirmed: int, missed: int, false: int) -> tuple[float | None, float | None]:
    """Precision and recall; None where there was nothing to compare."""
    raised, true = confirmed + false, confirmed + missed
    return (
        round(confirmed / raised, 4) if raised else None,
        round(confirmed / true, 4) if true else None,
    )


def _checked_s(recording: RecordingInfo) -> float:
    if recording.checked_s is not None:
        return recording.checked_s
    # Reports of version 1 do not say how much of a part; so nothing of a part counts.
    return recording.duration_s if recording.status == "checked" else 0.0


def _measures(conduct: SpeakerConduct) -> Iterable[tuple[str, float]]:
    for name in MEASURES:
        value = getattr(conduct, name)
        if value is not None:
            yield name, float(value)


def _distribution(measure: str, role: str, values: Sequence[float]) -> Distribution:
    lower, middle, upper = (
        quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    )
    return Distribution(
        measure=measure,
        unit=MEASURES[measure],
        role=role,
        n=len(values),
        least=round(min(values), 3),
        lower=round(lower, 3),
        middle=round(middle, 3),
        upper=round(upper, 3),
        most=round(max(values), 3),
    )


def _rank(rule: RuleSummary) -> tuple[int, int, str]:
    severity = (
        len(_SEVEREST_FIRST) if rule.severity is None else _SEVEREST_FIRST.index(rule.severity)
    )
    return (
        severity if rule.n_findings else len(_SEVEREST_FIRST) + 1,
        -rule.n_findings,
        rule.rule_id,
    )


def _call_rank(call: CallLine) -> tuple[int, int, str]:
    severity = (
        len(_SEVEREST_FIRST) if call.severest is None else _SEVEREST_FIRST.index(call.severest)
    )
    return (severity, -call.n_findings, call.room_sid)
