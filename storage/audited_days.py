"""What the ledger knows of whole days: how live did by rule, and which calls have no report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import CompoundSelect, Connection, func, select, union

from storage.findings import FindingKind, LiveVerdict
from storage.tables import AUDITS, CALLS, FINDINGS, RECORDINGS

# A report's key is reports/YYYY-MM-DD/CALL/report.html; positions count from 1.
_DAY_OF_KEY = func.substr(AUDITS.c.report_key, len("reports/") + 1, len("2026-01-31"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDay:
    """How many findings of one kind the audits of a day have on a rule."""

    day: date
    rule_id: str
    verdict: LiveVerdict
    n_findings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unaudited:
    """A call of which no audit is done."""

    room_sid: str
    status: str  # of its last audit: running, failed, poisoned, or never for none at all
    attempts: int
    error: str | None  # a code


def rule_days(connection: Connection, first: date, last: date) -> tuple[RuleDay, ...]:
    """Findings on rules, day by day, of the last audit of each call.

    Args:
        connection: For reading.
        first: The first day, UTC.
        last: The last day, itself included.
    """
    newest = _newest(connection, first, last)
    if not newest:
        return ()
    rows = connection.execute(
        select(FINDINGS.c.audit_key, FINDINGS.c.rule_id, FINDINGS.c.verdict, func.count())
        .join(AUDITS, AUDITS.c.audit_key == FINDINGS.c.audit_key)
        .where(
            FINDINGS.c.kind == FindingKind.RULE.value,
            AUDITS.c.status == "done",
            _DAY_OF_KEY.between(first.isoformat(), last.isoformat()),
        )
        .group_by(FINDINGS.c.audit_key, FINDINGS.c.rule_id, FINDINGS.c.verdict)
    )
    counts: dict[tuple[date, str, LiveVerdict], int] = {}
    for audit_key, rule_id, verdict, n in rows:
        if audit_key in newest:
            place = (newest[audit_key], rule_id, LiveVerdict(verdict))
            counts[place] = counts.get(place, 0) + n
    return tuple(
        RuleDay(day=day, rule_id=rule_id, verdict=verdict, n_findings=n)
        for (day, rule_id, verdict), n in sorted(
            counts.items(), key=lambda item: (item[0][0], item[0][1], item[0][2])
        )
    )


def unaudited(connection: Connection, day: date) -> tuple[Unaudited, ...]:
    """Calls of a day that were observed or recorded, and of which no audit is done."""
    that_day = _rooms_of(day)
    rooms = set(connection.scalars(that_day))
    known: dict[str, Unaudited] = {
        room: Unaudited(room_sid=room, status="never", attempts=0, error=None) for room in rooms
    }
    rows = connection.execute(
        select(AUDITS.c.room_sid, AUDITS.c.status, AUDITS.c.attempts, AUDITS.c.last_error)
        .where(AUDITS.c.room_sid.in_(that_day))
        .order_by(AUDITS.c.started_at)
    )
    for room, status, attempts, error in rows:
        if status == "done":
            known.pop(room, None)
            rooms.discard(room)
        elif room in rooms:
            known[room] = Unaudited(room_sid=room, status=status, attempts=attempts, error=error)
    return tuple(sorted(known.values(), key=lambda each: each.room_sid))


def _newest(connection: Connection, first: date, last: date) -> dict[str, date]:
    """Keys of the audits that count, each call's last one, and the days of their reports."""
    rows = connection.execute(
        select(AUDITS.c.audit_key, AUDITS.c.report_key)
        .where(AUDITS.c.status == "done", _DAY_OF_KEY.between(first.isoformat(), last.isoformat()))
        .order_by(AUDITS.c.finished_at, AUDITS.c.audit_key)
    )
    by_report = {report_key: audit_key for audit_key, report_key in rows}
    return {
        audit_key: date.fromisoformat(report_key.split("/")[1])
        for report_key, audit_key in by_report.items()
    }


def _rooms_of(day: date) -> CompoundSelect[str]:
    begin = datetime.combine(day, time(), UTC)
    end = begin + timedelta(days=1)
    began = func.coalesce(RECORDINGS.c.call_started_at, RECORDINGS.c.started_at)
    return union(
        select(CALLS.c.room_sid).where(CALLS.c.created_at >= begin, CALLS.c.created_at < end),
        select(RECORDINGS.c.room_sid).where(
            began >= begin,
            began < end,
            # A call that was observed counts by its own beginning alone.
            RECORDINGS.c.room_sid.not_in(select(CALLS.c.room_sid)),
        ),
    )
