"""What an audit found: verdicts on rules, and what it could not check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, RowMapping, delete, insert, select

from rules.types import Severity
from storage.call_lock import lock_call
from storage.tables import AUDITS, FINDINGS


class FindingKind(StrEnum):
    """What a finding is about."""

    RULE = "rule"
    COVERAGE = "coverage"


class LiveVerdict(StrEnum):
    """How the live side did on one finding, as the audit sees it."""

    CONFIRMED = "confirmed"  # both found it
    MISSED_LIVE = "missed_live"  # the audit alone found it
    FALSE_ALARM_LIVE = "false_alarm_live"  # live alone raised it, and the audit heard that part
    LIVE_NOT_RUN = "live_not_run"  # nobody listened live, or not for this rule
    UNVERIFIED = "unverified"  # what would decide it could not be heard


# Of these are made precision and recall of the live side.
SCORED: Final = (LiveVerdict.CONFIRMED, LiveVerdict.MISSED_LIVE, LiveVerdict.FALSE_ALARM_LIVE)


class CoverageCode(StrEnum):
    """What was not checked, or not wholly."""

    RECORDING_MISSING = "recording_missing"
    RECORDING_CORRUPT = "recording_corrupt"
    RECORDING_TRUNCATED = "recording_truncated"
    RECORDING_MISPLACED = "recording_misplaced"
    NOT_TRANSCRIBED = "not_transcribed"
    NOT_DIARIZED = "not_diarized"
    NOT_HEARD_LIVE = "not_heard_live"
    NOT_AUDITED = "not_audited"  # the call is poison: see storage.audits


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of an audit's result. What does not apply is None."""

    id: str  # stable: the same audit gives the same id
    kind: FindingKind
    code: CoverageCode | None = None  # of coverage findings
    rule_id: str | None = None
    rule_version: int | None = None
    severity: Severity | None = None
    speaker: str | None = field(default=None, repr=False)
    start_s: float | None = None  # call clock
    end_s: float | None = None  # call clock
    excerpt: str | None = None  # masked
    score: float | None = None  # in [0.0, 1.0]
    verdict: LiveVerdict | None = None  # of rule findings
    live_hit_id: str | None = None  # the hit it was compared with
    detail: str | None = None  # a code or an object key, never what was said


def replace_findings(connection: Connection, audit_key: str, findings: Iterable[Finding]) -> None:
    """Make these the findings of an audit, in place of any earlier ones.

    Args:
        connection: In the transaction that finishes the audit; finishing it brings the queue of
            reviews up to date.
        audit_key: A claimed audit.
        findings: With ids that differ.
    """
    room_sid = audited_call(connection, audit_key)
    if room_sid is not None:
        lock_call(connection, room_sid)
    connection.execute(delete(FINDINGS).where(FINDINGS.c.audit_key == audit_key))
    rows = [_row(audit_key, finding) for finding in findings]
    if rows:
        connection.execute(insert(FINDINGS), rows)


def audited_call(connection: Connection, audit_key: str) -> str | None:
    """The call that an audit is of, None where there is no such audit."""
    found: str | None = connection.execute(
        select(AUDITS.c.room_sid).where(AUDITS.c.audit_key == audit_key)
    ).scalar()
    return found


def findings_of(connection: Connection, audit_key: str) -> tuple[Finding, ...]:
    """The findings of an audit by time; those without a time come first."""
    rows = connection.execute(
        select(FINDINGS)
        .where(FINDINGS.c.audit_key == audit_key)
        .order_by(FINDINGS.c.start_s.asc().nulls_first(), FINDINGS.c.finding_id)
    ).mappings()
    return tuple(_finding(row) for row in rows)


def _row(audit_key: str, finding: Finding) -> dict[str, object]:
    row = {
        field.name: getattr(finding, field.name) for field in fields(Finding) if field.name != "id"
    }
    # Plain strings: a driver is not to know our enumerations.
    plain = {
        name: value.value if isinstance(value, StrEnum) else value for name, value in row.items()
    }
    return {"audit_key": audit_key, "finding_id": finding.id, **plain}


def _finding(row: RowMapping) -> Finding:
    values = dict(row)
    del values["audit_key"]
    code, severity, verdict = (values.pop(name) for name in ("code", "severity", "verdict"))
    return Finding(
        id=values.pop("finding_id"),
        kind=FindingKind(values.pop("kind")),
        code=CoverageCode(code) if code else None,
        severity=Severity(severity) if severity else None,
        verdict=LiveVerdict(verdict) if verdict else None,
        **values,
    )
