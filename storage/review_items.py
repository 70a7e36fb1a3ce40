"""What there is to review on calls: what the live side and the audit flagged, each thing once.

Of a finding that was compared with a live hit, the two are one item. Hits of rules on trial and
hits that were retracted are none, and neither is what an audit could not check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection, RowMapping, select

from rules.backtest import NEAR_S, Decision, Review
from rules.types import HitState, Severity, Span
from storage.audit_status import AuditStatus
from storage.findings import FindingKind, LiveVerdict
from storage.tables import AUDITS, FINDINGS, HITS, VERDICTS

# Mildest first, from 1 on.
RANKS: Mapping[Severity, int] = MappingProxyType(
    {severity: rank for rank, severity in enumerate(Severity, start=1)}
)
_DISAGREE = frozenset({LiveVerdict.MISSED_LIVE, LiveVerdict.FALSE_ALARM_LIVE})
_HIT, _FINDING = "hit", "finding"  # as `storage.verdicts.VerdictSubject` says
_MIN_SPAN_S = 0.001  # of what an audit rounded to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One thing that was flagged on a call."""

    room_sid: str
    subject: str  # "hit" or "finding": what a verdict on it is given on
    subject_id: str
    audit_key: str | None  # of a finding
    hit_id: str | None  # the live hit, where there is one
    compared: LiveVerdict | None  # what the audit says of the live side; None before it
    rule_id: str
    rule_version: int
    severity: Severity
    speaker: str | None = field(repr=False)
    span: Span  # call clock
    excerpt: str  # masked
    flagged_at: datetime  # UTC

    @property
    def is_live(self) -> bool:
        """Whether the live side found it."""
        return self.hit_id is not None

    @property
    def is_audit(self) -> bool:
        """Whether the audit found it."""
        return self.subject == _FINDING and self.compared is not LiveVerdict.FALSE_ALARM_LIVE

    @property
    def is_disagreement(self) -> bool:
        """Whether only one of the two found it though both listened."""
        return self.compared in _DISAGREE


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A verdict as it stands in its row, without its note."""

    subject: str
    subject_id: str
    audit_key: str | None
    review: Review


def items_of(
    connection: Connection, room_sids: Collection[str]
) -> Mapping[str, tuple[ReviewItem, ...]]:
    """What there is to review, by call, in order of time; calls without anything are left out."""
    audits = _latest_audits(connection, room_sids)
    items: dict[str, list[ReviewItem]] = defaultdict(list)
    hits = _hits(connection, room_sids)
    for room_sid, row in _findings(connection, audits):
        hit = hits.get((room_sid, row["live_hit_id"])) if row["live_hit_id"] else None
        items[room_sid].append(_of_finding(room_sid, row, audits[room_sid][1], hit))
    compared = {(item.room_sid, item.hit_id) for each in items.values() for item in each}
    for key, row in hits.items():
        if key not in compared:
            items[key[0]].append(_of_hit(row))
    return {
        room_sid: tuple(
            sorted(each, key=lambda i: (i.span.start_s, i.span.end_s, i.rule_id, i.subject_id))
        )
        for room_sid, each in items.items()
    }


def given_on(connection: Connection, room_sids: Collection[str]) -> Mapping[str, tuple[Given, ...]]:
    """Verdicts by call, oldest first."""
    found: dict[str, list[Given]] = defaultdict(list)
    rows = connection.execute(
        select(VERDICTS)
        .where(VERDICTS.c.room_sid.in_(list(room_sids)))
        .order_by(VERDICTS.c.decided_at, VERDICTS.c.verdict_id)
    ).mappings()
    for row in rows:
        review = Review(
            rule_id=row["rule_id"],
            speaker=row["speaker"],
            span=Span(row["start_s"], row["end_s"]),
            decision=Decision(row["decision"]),
            reviewer=row["reviewer"],
            is_final=row["is_final"],
        )
        found[row["room_sid"]].append(
            Given(
                subject=row["subject"],
                subject_id=row["subject_id"],
                audit_key=row["audit_key"],
                review=review,
            )
        )
    return {room_sid: tuple(each) for room_sid, each in found.items()}


def reviews_by_item(
    items: Collection[ReviewItem], given: Collection[Given]
) -> tuple[tuple[Review, ...], ...]:
    """Which verdicts are about which item, in the order of the items.

    A verdict is about the hit or finding that it names. Where an audit was made again and that one
    is gone, it is about what the same rule has of the same speaker at that time, or close to it.
    """
    found: list[list[Review]] = [[] for _ in items]
    for verdict in given:
        for number in about(verdict, tuple(items)):
            found[number].append(verdict.review)
    return tuple(map(tuple, found))


def about(verdict: Given, items: Sequence[ReviewItem]) -> list[int]:
    """Which of a call's items a verdict is about, by their place; see `reviews_by_item`."""
    exact = [number for number, item in enumerate(items) if _names(verdict, item)]
    if exact:
        return exact
    review = verdict.review
    alike = [
        (number, item)
        for number, item in enumerate(items)
        if item.rule_id == review.rule_id and review.speaker in {item.speaker, None}
    ]
    over = [number for number, item in alike if item.span.overlap_s(review.span) > 0]
    if over:
        return over
    return [
        number
        for number, item in alike
        if item.speaker is None or item.span.gap_s(review.span) <= NEAR_S
    ]


def _names(verdict: Given, item: ReviewItem) -> bool:
    if verdict.subject == _HIT:
        return verdict.subject_id == item.hit_id
    return (verdict.audit_key, verdict.subject_id) == (item.audit_key, item.subject_id)


def _latest_audits(
    connection: Connection, room_sids: Collection[str]
) -> Mapping[str, tuple[str, datetime]]:
    rows = connection.execute(
        select(AUDITS.c.room_sid, AUDITS.c.audit_key, AUDITS.c.finished_at)
        .where(AUDITS.c.room_sid.in_(list(room_sids)), AUDITS.c.status == AuditStatus.DONE.value)
        .order_by(AUDITS.c.finished_at, AUDITS.c.audit_key.desc())
    )
    return {room_sid: (key, finished_at) for room_sid, key, finished_at in rows}


def _hits(
    connection: Connection, room_sids: Collection[str]
) -> Mapping[tuple[str, str], RowMapping]:
    rows = connection.execute(
        select(HITS).where(
            HITS.c.room_sid.in_(list(room_sids)),
            HITS.c.shadow.is_(False),
            HITS.c.state != HitState.RETRACTED.value,
        )
    ).mappings()
    return {(row["room_sid"], row["hit_id"]): row for row in rows}


def _findings(
    connection: Connection, audits: Mapping[str, tuple[str, datetime]]
) -> list[tuple[str, RowMapping]]:
    rooms = {key: room_sid for room_sid, (key, _) in audits.items()}
    rows = connection.execute(
        select(FINDINGS).where(
            FINDINGS.c.audit_key.in_(list(rooms)),
            FINDINGS.c.kind == FindingKind.RULE.value,
            FINDINGS.c.rule_id.is_not(None),
        )
    ).mappings()
    return [(rooms[row["audit_key"]], row) for row in rows]


def _of_finding(
    room_sid: str, row: RowMapping, finished_at: datetime, hit: RowMapping | None
) -> ReviewItem:
    start_s = row["start_s"] or 0.0
    flagged_at = min(finished_at, hit["recorded_at"]) if hit else finished_at
    return ReviewItem(
        room_sid=room_sid,
        subject=_FINDING,
        subject_id=row["finding_id"],
        audit_key=row["audit_key"],
        hit_id=hit["hit_id"] if hit else None,
        compared=LiveVerdict(row["verdict"]) if row["verdict"] else None,
        rule_id=row["rule_id"],
        rule_version=row["rule_version"] or 1,
        severity=Severity(row["severity"]) if row["severity"] else Severity.INFO,
        speaker=row["speaker"],
        span=Span(start_s, max(row["end_s"] or 0.0, start_s + _MIN_SPAN_S)),
        excerpt=row["excerpt"] or "",
        flagged_at=flagged_at,
    )


def _of_hit(row: RowMapping) -> ReviewItem:
    return ReviewItem(
        room_sid=row["room_sid"],
        subject=_HIT,
        subject_id=row["hit_id"],
        audit_key=None,
        hit_id=row["hit_id"],
        compared=None,
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        severity=Severity(row["severity"]),
        speaker=row["speaker"],
        span=Span(row["start_s"], row["end_s"]),
        excerpt=row["excerpt"],
        flagged_at=row["recorded_at"],
    )
