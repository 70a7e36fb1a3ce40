"""What reviewers decided on hits and findings.

Rows are only ever added. A reviewer who changes their mind adds another verdict, and several may
judge the same finding without seeing each other's; `rules.backtest.decision_of` says what a set of
verdicts comes to. A verdict keeps rule, speaker and time of what it is about, because an audit that
is made again replaces its findings. Notes are free text and may hold personal data: they belong in
no log, no alert and no report.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from rules.backtest import Decision, Review
from rules.types import Span
from storage.call_lock import lock_call
from storage.errors import VerdictError
from storage.queue_summary import refresh_queue
from storage.review_items import Given
from storage.tables import VERDICTS
from storage.upsert import insert_if_new

MAX_NOTE_CHARS = 4000


class VerdictDecision(StrEnum):
    """What a reviewer may decide."""

    CONFIRMED = "confirmed"  # it is what the rule looks for
    FALSE_ALARM = "false_alarm"
    ESCALATED = "escalated"  # somebody else has to decide, or to act


class VerdictSubject(StrEnum):
    """What a verdict is about."""

    HIT = "hit"  # found live; a row of `hits`
    FINDING = "finding"  # of an audit; a row of `findings`


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One reviewer's decision at one moment."""

    id: str  # chosen by whoever asks, such as a UUID: the same one again is the same verdict
    room_sid: str
    subject: VerdictSubject
    subject_id: str  # id of the hit or finding
    audit_key: str | None = None  # the audit whose finding the reviewer saw; None for live hits
    rule_id: str
    rule_version: int
    speaker: str | None = field(repr=False)  # identity; None for what nobody said
    span: Span
    decision: VerdictDecision
    is_final: bool = False  # settles what reviewers disagree on, and outweighs them
    reviewer: str = field(repr=False)
    decided_at: datetime  # UTC
    note: str | None = field(default=None, repr=False)


def add_verdict(connection: Connection, verdict: Verdict) -> bool:
    """Add a verdict. There is no way to change or withdraw one but to add another.

    Args:
        connection: In a transaction.
        verdict: With an id of its own; to repeat a request that got lost, give the same id.

    Returns:
        Whether it is new. A repeated one changes nothing.

    Raises:
        VerdictError: nobody decided it, its note is too long, or its id belongs to another verdict.
    """
    if not verdict.id or not verdict.reviewer:
        raise VerdictError("verdict: needs an id and a reviewer")
    if verdict.note is not None and len(verdict.note) > MAX_NOTE_CHARS:
        raise VerdictError(
            f"verdict {verdict.id}: its note is longer than {MAX_NOTE_CHARS} characters; shorten it"
        )
    lock_call(connection, verdict.room_sid)
    if insert_if_new(connection, VERDICTS, _row(verdict)):
        refresh_queue(connection, [verdict.room_sid])
        return True
    (known,) = _select(connection, VERDICTS.c.verdict_id == verdict.id)
    if known != verdict:
        raise VerdictError(f"verdict {verdict.id}: another verdict has this id; give it its own")
    return False


def get_verdict(connection: Connection, verdict_id: str) -> Verdict | None:
    """The verdict with an id, None where there is none."""
    found = _select(connection, VERDICTS.c.verdict_id == verdict_id)
    return found[0] if found else None


def verdicts_of(connection: Connection, room_sid: str) -> tuple[Verdict, ...]:
    """All verdicts on a call, oldest first."""
    return _select(connection, VERDICTS.c.room_sid == room_sid)


def verdicts_on_rule(
    connection: Connection,
    rule_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[Verdict, ...]:
    """All verdicts on a rule that were decided in [since, until), UTC, oldest first."""
    where = [VERDICTS.c.rule_id == rule_id]
    if since is not None:
        where.append(VERDICTS.c.decided_at >= since)
    if until is not None:
        where.append(VERDICTS.c.decided_at < until)
    return _select(connection, *where)


def review_of(verdict: Verdict) -> Review:
    """The verdict as a backtest needs it: without its note."""
    return Review(
        rule_id=verdict.rule_id,
        speaker=verdict.speaker,
        span=verdict.span,
        decision=Decision(verdict.decision.value),
        reviewer=verdict.reviewer,
        is_final=verdict.is_final,
    )


def given_as(verdict: Verdict) -> Given:
    """The verdict as the queue needs it, to tell what it is about."""
    return Given(
        subject=verdict.subject.value,
        subject_id=verdict.subject_id,
        audit_key=verdict.audit_key,
        review=review_of(verdict),
    )


def _select(connection: Connection, *where: ColumnElement[bool]) -> tuple[Verdict, ...]:
    rows = connection.execute(
        select(VERDICTS).where(*where).order_by(VERDICTS.c.decided_at, VERDICTS.c.verdict_id)
    ).mappings()
    return tuple(_verdict(row) for row in rows)


def _row(verdict: Verdict) -> dict[str, object]:
    row = {each.name: getattr(verdict, each.name) for each in fields(Verdict)}
    del row["id"], row["span"]
    return row | {
        "verdict_id": verdict.id,
        "subject": verdict.subject.value,
        "decision": verdict.decision.value,
        "start_s": verdict.span.start_s,
        "end_s": verdict.span.end_s,
    }


def _verdict(row: RowMapping) -> Verdict:
    values = dict(row)
    return Verdict(
        id=values.pop("verdict_id"),
        span=Span(values.pop("start_s"), values.pop("end_s")),
        subject=VerdictSubject(values.pop("subject")),
        decision=VerdictDecision(values.pop("decision")),
        **values,
    )
