"""How good rules are: by what reviewers decided, and live against the audit; week by week."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, Date, cast, exists, func, select

from rules.backtest import Decision, Review, decision_of
from rules.types import Span
from storage.audits import AuditStatus
from storage.findings import SCORED, FindingKind, LiveVerdict
from storage.tables import AUDITS, FINDINGS, VERDICTS

_Z_95 = 1.959964  # of the standard normal distribution: 95 % lie within


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many, and how sure that is.

    The interval is Wilson's at 95 %: it holds for few cases, and for none or all of them.
    """

    n: int
    of: int  # at least 1

    @property
    def ratio(self) -> float:
        """In [0, 1]."""
        return self.n / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end, in [0, 1]."""
        z2 = _Z_95**2
        middle = (self.n + z2 / 2) / (self.of + z2)
        spread = math.sqrt(self.n * (self.of - self.n) / self.of + z2 / 4) * _Z_95
        half = spread / (self.of + z2)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """One week of a rule."""

    monday: date
    precision: Share | None  # None where nothing was decided
    recall: Share | None  # None where the audit found nothing that live could have


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleQuality:
    """One rule over all weeks that were asked for."""

    rule_id: str
    precision: Share | None  # confirmed ones among those confirmed and false alarms
    n_undecided: int  # escalated, or reviewers disagree: on neither side
    recall: Share | None  # found live, of what the audit found and live listened for
    n_false_alarm_live: int  # raised live, and the audit heard that nothing was there
    weeks: tuple[Week, ...]  # every week, oldest first


def rule_quality(
    connection: Connection, *, until: datetime, n_weeks: int = 12
) -> tuple[RuleQuality, ...]:
    """Every rule on which there is anything, by id.

    What reviewers said counts for the week in which it was last said; what live found and missed
    for the week in which the call's newest audit was finished.

    Args:
        connection: In a transaction.
        until: UTC; the last week is the one of this moment.
        n_weeks: So many weeks.
    """
    last = monday_of(until.date())
    mondays = [last - timedelta(weeks=n) for n in reversed(range(n_weeks))]
    since = datetime.combine(mondays[0], time(), UTC)
    decided = _decided(connection, since, until)
    heard = _heard(connection, since, until)
    found = []
    for rule_id in sorted({*decided, *heard}):
        by_week, audits = decided.get(rule_id, {}), heard.get(rule_id, {})
        weeks = tuple(
            Week(
                monday=monday,
                precision=_precision([by_week.get(monday, {})]),
                recall=_recall([audits.get(monday, {})]),
            )
            for monday in mondays
        )
        undecided = (Decision.ESCALATED, Decision.DISPUTED)
        found.append(
            RuleQuality(
                rule_id=rule_id,
                precision=_precision(by_week.values()),
                n_undecided=sum(n.get(d, 0) for n in by_week.values() for d in undecided),
                recall=_recall(audits.values()),
                n_false_alarm_live=sum(
                    n.get(LiveVerdict.FALSE_ALARM_LIVE, 0) for n in audits.values()
                ),
                weeks=weeks,
            )
        )
    return tuple(found)


def monday_of(day: date) -> date:
    """The first day of a day's week."""
    return day - timedelta(days=day.weekday())


def _precision(counts: Iterable[Mapping[Decision, int]]) -> Share | None:
    counts = list(counts)
    n_true = sum(n.get(Decision.CONFIRMED, 0) for n in counts)
    of = n_true + sum(n.get(Decision.FALSE_ALARM, 0) for n in counts)
    return Share(n=n_true, of=of) if of else None


def _recall(counts: Iterable[Mapping[LiveVerdict, int]]) -> Share | None:
    counts = list(counts)
    n_found = sum(n.get(LiveVerdict.CONFIRMED, 0) for n in counts)
    of = n_found + sum(n.get(LiveVerdict.MISSED_LIVE, 0) for n in counts)
    return Share(n=n_found, of=of) if of else None


def _decided(
    connection: Connection, since: datetime, until: datetime
) -> Mapping[str, Mapping[date, Mapping[Decision, int]]]:
    """Things that were judged, by rule, week and decision."""
    rows = connection.execute(
        select(
            VERDICTS.c.room_sid, VERDICTS.c.subject, VERDICTS.c.subject_id, VERDICTS.c.rule_id,
            VERDICTS.c.decision, VERDICTS.c.is_final, VERDICTS.c.reviewer, VERDICTS.c.decided_at,
        )
        .where(VERDICTS.c.decided_at >= since, VERDICTS.c.decided_at <= until)
        .order_by(VERDICTS.c.decided_at, VERDICTS.c.verdict_id)
    )  # fmt: skip
    things: dict[tuple[str, str, str, str], list[Review]] = defaultdict(list)
    last_said: dict[tuple[str, str, str, str], datetime] = {}
    nowhere = Span(0.0, 1.0)  # a decision does not depend on where it was
    for row in rows:
        thing = (row.room_sid, row.subject, row.subject_id, row.rule_id)
        last_said[thing] = row.decided_at
        things[thing].append(
            Review(
                rule_id=row.rule_id, speaker=None, span=nowhere, decision=Decision(row.decision),
                reviewer=row.reviewer, is_final=row.is_final,
            )
        )  # fmt: skip
    counts: dict[str, dict[date, dict[Decision, int]]] = {}
    for thing, reviews in things.items():
        weeks = counts.setdefault(thing[3], {})
        week = weeks.setdefault(monday_of(last_said[thing].date()), defaultdict(int))
        week[decision_of(reviews)] += 1
    return counts


def _heard(
    connection: Connection, since: datetime, until: datetime
) -> Mapping[str, Mapping[date, Mapping[LiveVerdict, int]]]:
    """Findings of each call's newest audit, by rule, week, and how live did on them."""
    newer = AUDITS.alias()
    done = AuditStatus.DONE.value
    day = _day(connection)
    rows = connection.execute(
        select(FINDINGS.c.rule_id, day, FINDINGS.c.verdict, func.count())
        .join(AUDITS, AUDITS.c.audit_key == FINDINGS.c.audit_key)
        .where(
            FINDINGS.c.kind == FindingKind.RULE.value,
            FINDINGS.c.verdict.in_([verdict.value for verdict in SCORED]),
            AUDITS.c.status == done,
            AUDITS.c.finished_at >= since,
            AUDITS.c.finished_at <= until,
            ~exists().where(
                newer.c.room_sid == AUDITS.c.room_sid,
                newer.c.status == done,
                newer.c.finished_at > AUDITS.c.finished_at,
            ),
        )
        .group_by(FINDINGS.c.rule_id, day, FINDINGS.c.verdict)
    )
    counts: dict[str, dict[date, dict[LiveVerdict, int]]] = {}
    for rule_id, finished_on, verdict, n in rows:
        on = date.fromisoformat(finished_on) if isinstance(finished_on, str) else finished_on
        week = counts.setdefault(rule_id, {}).setdefault(monday_of(on), defaultdict(int))
        week[LiveVerdict(verdict)] += n
    return counts


def _day(connection: Connection) -> ColumnElement[date]:
    if connection.dialect.name == "sqlite":
        return func.date(AUDITS.c.finished_at)
    return cast(func.timezone("UTC", AUDITS.c.finished_at), Date)
