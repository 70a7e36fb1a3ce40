"""Calls that reviewers work at: hits, audits and verdicts through the functions that write them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from rules.types import Hit, Severity, Span
from storage.audits import claim, finish
from storage.database import Database
from storage.findings import Finding, replace_findings
from storage.hits import save_hit
from storage.queue import Queue, QueuedCall
from storage.review_claims import claim_call
from storage.reviewing import Outcome, Subject, give_verdict
from storage.verdicts import VerdictDecision, VerdictSubject
from tests.storage.builders import NOW, hit

CONFIRMED, FALSE_ALARM, ESCALATED = VerdictDecision


def hit_at(id: str, start_s: float, **changes: Any) -> Hit:
    """A hit of five seconds."""
    return hit(id=id, span=Span(start_s, start_s + 5), at_s=start_s + 5, **changes)


def add_hits(
    database: Database,
    *hits: Hit,
    room_sid: str = "RM_1",
    at: datetime = NOW,
    shadow: bool = False,
) -> None:
    """What the live side found."""
    with database.begin() as connection:
        for each in hits:
            save_hit(connection, room_sid, each, recorded_at=at, shadow=shadow)


def add_audit(
    database: Database,
    findings: Iterable[Finding],
    *,
    key: str = "k1",
    room_sid: str = "RM_1",
    at: datetime = NOW + timedelta(hours=12),
) -> None:
    """An audit that is done."""
    with database.begin() as connection:
        given = claim(connection, key, room_sid, at, 60.0)
        replace_findings(connection, key, findings)
        assert finish(connection, key, attempt=given.attempt, report_key="r", pipeline={}, now=at)


def judge(
    database: Database,
    subject_id: str,
    decision: VerdictDecision,
    reviewer: str = "rita",
    *,
    room_sid: str = "RM_1",
    form: str | None = None,
    audit_key: str | None = None,
    share: float = 0.0,
    now: datetime = NOW,
    note: str | None = None,
) -> Outcome:
    """Claim the call and judge a hit, or a finding where an audit's key is given."""
    kind = VerdictSubject.FINDING if audit_key else VerdictSubject.HIT
    with database.begin() as connection:
        claim_call(connection, room_sid, reviewer, now=now)
        return give_verdict(
            connection,
            room_sid,
            Subject(kind=kind, id=subject_id, audit_key=audit_key),
            decision=decision,
            note=note,
            reviewer=reviewer,
            form_id=form or f"{room_sid}-{subject_id}-{decision}",
            double_share=share,
            drawn=0.5,
            now=now,
        )


def queued(
    database: Database, room_sid: str = "RM_1", *, viewer: str = "x", now: datetime = NOW
) -> QueuedCall | None:
    """The call as the queue has it."""
    with database.begin(read_only=True) as connection:
        return Queue(connection, now=now, viewer=viewer).find(room_sid)


LOW, HIGH = Severity.LOW, Severity.HIGH
