"""The ledger of audits: which were done, and who is at which now.

An audit's key is computed by the caller from what goes into it (hashes of the recordings, the
pipeline, the rules), so an audit that is repeated finds itself done. A running audit holds a lease;
if its process dies, another may take it over once the lease is out. `attempt` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, or_, select, update

from storage.tables import AUDITS
from storage.upsert import insert_if_new


class AuditStatus(StrEnum):
    """How far an audit is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A row of the ledger."""

    audit_key: str
    room_sid: str
    status: AuditStatus
    attempts: int  # how often it was begun
    lease_until: datetime | None  # UTC; None unless running
    started_at: datetime  # UTC, of the last attempt
    finished_at: datetime | None  # UTC
    report_key: str | None
    pipeline: Mapping[str, object] | None  # engines and versions that ran
    last_error: str | None  # a code


class ClaimOutcome(StrEnum):
    """What came of asking for an audit."""

    CLAIMED = "claimed"  # do it
    DONE = "done"  # it has been done
    HELD = "held"  # somebody is at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer to `claim`."""

    audit_key: str
    outcome: ClaimOutcome
    attempt: int  # pass it to renew, finish and fail
    report_key: str | None = None  # where it has been done
    held_until: datetime | None = None  # UTC; until when another has it, or we have


def claim(
    connection: Connection, audit_key: str, room_sid: str, now: datetime, lease_s: float
) -> Claim:
    """Ask to do an audit. Of several who ask, one gets it.

    Audits that failed, or whose lease is out, are given again.

    Args:
        connection: In a transaction of its own; commit before the work begins.
        audit_key: Names all that goes into the audit.
        room_sid: The call.
        now: UTC.
        lease_s: How long it is held without a word; renew in time.
    """
    lease_until = now + timedelta(seconds=lease_s)
    row = {
        "audit_key": audit_key,
        "room_sid": room_sid,
        "status": AuditStatus.RUNNING.value,
        "attempts": 1,
        "lease_until": lease_until,
        "started_at": now,
    }
    claimed = insert_if_new(connection, AUDITS, row)
    if not claimed:
        free = or_(
            AUDITS.c.status == AuditStatus.FAILED.value,
            and_(AUDITS.c.status == AuditStatus.RUNNING.value, AUDITS.c.lease_until <= now),
        )
        claimed = (
            connection.execute(
                update(AUDITS)
                .where(AUDITS.c.audit_key == audit_key, free)
                .values(
                    status=AuditStatus.RUNNING.value,
                    attempts=AUDITS.c.attempts + 1,
                    lease_until=lease_until,
                    started_at=now,
                    finished_at=None,
                    last_error=None,
                )
            ).rowcount
            == 1
        )
    audit = _audit(
        connection.execute(select(AUDITS).where(AUDITS.c.audit_key == audit_key)).mappings().one()
    )
    if claimed:
        outcome = ClaimOutcome.CLAIMED
    elif audit.status is AuditStatus.DONE:
        outcome = ClaimOutcome.DONE
    else:
        outcome = ClaimOutcome.HELD
    return Claim(
        audit_key=audit_key,
        outcome=outcome,
        attempt=audit.attempts,
        report_key=audit.report_key,
        held_until=audit.lease_until,
    )


def renew(
    connection: Connection, audit_key: str, *, attempt: int, now: datetime, lease_s: float
) -> bool:
    """Keep a claimed audit for longer.

    Returns:
        False if another has taken it over, or it is over: stop then.
    """
    return _settle(
        connection, audit_key, attempt, {"lease_until": now + timedelta(seconds=lease_s)}
    )


def finish(
    connection: Connection,
    audit_key: str,
    *,
    attempt: int,
    report_key: str,
    pipeline: Mapping[str, object],
    now: datetime,
) -> bool:
    """Note that an audit is done. Save its findings in the same transaction.

    Args:
        connection: In a transaction.
        audit_key: The audit.
        attempt: From the claim.
        report_key: Object key of the report.
        pipeline: Engines, models and versions that ran; JSON.
        now: UTC.

    Returns:
        False if another has taken the audit over; roll back then.
    """
    values = {
        "status": AuditStatus.DONE.value,
        "lease_until": None,
        "finished_at": now,
        "report_key": report_key,
        "pipeline": dict(pipeline),
    }
    return _settle(connection, audit_key, attempt, values)


def fail(
    connection: Connection, audit_key: str, *, attempt: int, error: str, now: datetime
) -> bool:
    """Note that an audit failed; it may be claimed again at once.

    Args:
        connection: In a transaction.
        audit_key: The audit.
        attempt: From the claim.
        error: A code, such as the name of the error's class.
        now: UTC.

    Returns:
        False if another has taken the audit over.
    """
    values = {
        "status": AuditStatus.FAILED.value,
        "lease_until": None,
        "finished_at": now,
        "last_error": error,
    }
    return _settle(connection, audit_key, attempt, values)


def get_audit(connection: Connection, audit_key: str) -> Audit | None:
    """The audit, None where it was never claimed."""
    return _first(connection, AUDITS.c.audit_key == audit_key)


def latest_done(connection: Connection, room_sid: str) -> Audit | None:
    """The audit of a call that was done last, None where none was."""
    return _first(
        connection,
        AUDITS.c.room_sid == room_sid,
        AUDITS.c.status == AuditStatus.DONE.value,
    )


def _settle(
    connection: Connection, audit_key: str, attempt: int, values: Mapping[str, object]
) -> bool:
    statement = update(AUDITS).where(
        AUDITS.c.audit_key == audit_key,
        AUDITS.c.attempts == attempt,
        AUDITS.c.status == AuditStatus.RUNNING.value,
    )
    return connection.execute(statement.values(dict(values))).rowcount == 1


def _first(connection: Connection, *where: ColumnElement[bool]) -> Audit | None:
    row = (
        connection.execute(
            select(AUDITS)
            .where(*where)
            .order_by(AUDITS.c.finished_at.desc(), AUDITS.c.audit_key)
            .limit(1)
        )
        .mappings()
        .one_or_none()
    )
    return _audit(row) if row else None


def _audit(row: RowMapping) -> Audit:
    values = dict(row)
    return Audit(status=AuditStatus(values.pop("status")), **values)
