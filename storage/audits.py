"""The ledger of audits: which were done, and who is at which now.

An audit's key is computed by the caller from what goes into it (hashes of the recordings, the
pipeline, the rules), so an audit that is repeated finds itself done. A running audit holds a lease;
if its process dies, another may take it over once the lease is out. `attempt` tells the two apart.

A call that fails again and again, or kills who works at it, becomes *poison*: it is not given any
more until somebody asks for it, and a finding says that it was not audited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    case,
    false,
    or_,
    select,
    update,
)

from storage.audit_status import AuditStatus as AuditStatus
from storage.call_lock import lock_call
from storage.findings import (
    CoverageCode,
    Finding,
    FindingKind,
    audited_call,
    replace_findings,
)
from storage.queue_summary import refresh_queue
from storage.tables import AUDITS
from storage.upsert import insert_if_new

# Why an audit is poison, besides the names of errors' classes.
ABANDONED = "abandoned"  # whoever had it fell silent, again and again


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
    owner: str | None = None  # the worker that began it last
    faults: int = 0  # attempts that ended by its own fault, or without a word


class ClaimOutcome(StrEnum):
    """What came of asking for an audit."""

    CLAIMED = "claimed"  # do it
    DONE = "done"  # it has been done
    HELD = "held"  # somebody is at it
    POISONED = "poisoned"  # leave it


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer to `claim`."""

    audit_key: str
    outcome: ClaimOutcome
    attempt: int  # pass it to renew, finish and fail
    report_key: str | None = None  # where it has been done
    held_until: datetime | None = None  # UTC; until when another has it, or we have
    code: str | None = None  # why it is poison


def claim(
    connection: Connection,
    audit_key: str,
    room_sid: str,
    now: datetime,
    lease_s: float,
    *,
    owner: str | None = None,
    max_faults: int | None = None,
    take_poisoned: bool = False,
) -> Claim:
    """Ask to do an audit. Of several who ask, one gets it.

    Audits that failed, or whose lease is out, are given again.

    Args:
        connection: In a transaction of its own; commit before the work begins.
        audit_key: Names all that goes into the audit.
        room_sid: The call.
        now: UTC.
        lease_s: How long it is held without a word; renew in time.
        owner: Who asks, so that another can speak for it when it is dead.
        max_faults: A lease that ran out is a fault; at so many the audit is poison. None = never.
        take_poisoned: Give poison too, as if nothing had happened.
    """
    lease_until = now + timedelta(seconds=lease_s)
    row = {
        "audit_key": audit_key,
        "room_sid": room_sid,
        "status": AuditStatus.RUNNING.value,
        "attempts": 1,
        "lease_until": lease_until,
        "started_at": now,
        "owner": owner,
        "faults": 0,
    }
    claimed = insert_if_new(connection, AUDITS, row)
    if not claimed:
        this = AUDITS.c.audit_key == audit_key
        lapsed = and_(AUDITS.c.status == AuditStatus.RUNNING.value, AUDITS.c.lease_until <= now)
        poisoned = AUDITS.c.status == AuditStatus.POISONED.value
        if max_faults is not None and not take_poisoned:
            _poison(connection, and_(this, lapsed, AUDITS.c.faults + 1 >= max_faults), ABANDONED,
                    now)  # fmt: skip
        free = or_(
            AUDITS.c.status == AuditStatus.FAILED.value,
            lapsed,
            poisoned if take_poisoned else false(),
        )
        claimed = (
            connection.execute(
                update(AUDITS)
                .where(this, free)
                .values(
                    status=AuditStatus.RUNNING.value,
                    attempts=AUDITS.c.attempts + 1,
                    faults=0
                    if take_poisoned
                    else case((lapsed, AUDITS.c.faults + 1), else_=AUDITS.c.faults),
                    lease_until=lease_until,
                    started_at=now,
                    finished_at=None,
                    last_error=None,
                    owner=owner,
                )
            ).rowcount
            == 1
        )
    audit = _audit(
        connection.execute(select(AUDITS).where(AUDITS.c.audit_key == audit_key)).mappings().one()
    )
    outcome = ClaimOutcome.CLAIMED if claimed else _OUTCOMES.get(audit.status, ClaimOutcome.HELD)
    return Claim(
        audit_key=audit_key,
        outcome=outcome,
        attempt=audit.attempts,
        report_key=audit.report_key,
        held_until=audit.lease_until,
        code=audit.last_error if outcome is ClaimOutcome.POISONED else None,
    )


_OUTCOMES: Mapping[AuditStatus, ClaimOutcome] = MappingProxyType(
    {
        AuditStatus.DONE: ClaimOutcome.DONE,
        AuditStatus.POISONED: ClaimOutcome.POISONED,
    }
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
    """Note that an audit is done. Save its findings in the same transaction, before this.

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
    room_sid = audited_call(connection, audit_key)
    if room_sid is None:
        return False
    lock_call(connection, room_sid)
    if not _settle(connection, audit_key, attempt, values):
        return False
    refresh_queue(connection, [room_sid])
    return True


def fail(
    connection: Connection,
    audit_key: str,
    *,
    attempt: int,
    error: str,
    now: datetime,
    is_fault: bool = False,
    max_faults: int | None = None,
) -> bool:
    """Note that an audit failed; it may be claimed again at once, unless it is poison now.

    Args:
        connection: In a transaction.
        audit_key: The audit.
        attempt: From the claim.
        error: A code, such as the name of the error's class.
        now: UTC.
        is_fault: Whether it lies in the call, and not in a service that was away.
        max_faults: At so many faults it is poison. None = never.

    Returns:
        False if another has taken the audit over.
    """
    this = _held(audit_key, attempt)
    if is_fault and max_faults is not None:
        enough = and_(this, AUDITS.c.faults + 1 >= max_faults)
        if _poison(connection, enough, error, now):
            return True
    values = {
        "status": AuditStatus.FAILED.value,
        "lease_until": None,
        "finished_at": now,
        "last_error": error,
        "faults": AUDITS.c.faults + int(is_fault),
    }
    return connection.execute(update(AUDITS).where(this).values(values)).rowcount == 1


def poison_of_owner(
    connection: Connection, owner: str, *, error: str, now: datetime
) -> tuple[str, ...]:
    """Note that an audit killed the worker that was at it.

    Args:
        connection: In a transaction.
        owner: The dead worker.
        error: A code.
        now: UTC.

    Returns:
        Keys of the audits that are poison now; none if it had claimed nothing.
    """
    return _poison(connection, _owned(owner), error, now)


def release_of_owner(connection: Connection, owner: str, *, error: str, now: datetime) -> int:
    """Give back what a worker held that was stopped; it is nobody's fault.

    Returns:
        How many audits that were.
    """
    values = {
        "status": AuditStatus.FAILED.value,
        "lease_until": None,
        "finished_at": now,
        "last_error": error,
    }
    return connection.execute(update(AUDITS).where(_owned(owner)).values(values)).rowcount


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
    statement = update(AUDITS).where(_held(audit_key, attempt))
    return connection.execute(statement.values(dict(values))).rowcount == 1


def _poison(
    connection: Connection, which: ColumnElement[bool], error: str, now: datetime
) -> tuple[str, ...]:
    values = {
        "status": AuditStatus.POISONED.value,
        "lease_until": None,
        "finished_at": now,
        "last_error": error,
        "faults": AUDITS.c.faults + 1,
    }
    statement = update(AUDITS).where(which).values(values).returning(AUDITS.c.audit_key)
    keys = tuple(connection.execute(statement).scalars())
    for key in keys:
        finding = Finding(
            id="coverage-1",
            kind=FindingKind.COVERAGE,
            code=CoverageCode.NOT_AUDITED,
            detail=error,
        )
        replace_findings(connection, key, (finding,))
    return keys


def _held(audit_key: str, attempt: int) -> ColumnElement[bool]:
    return and_(
        AUDITS.c.audit_key == audit_key,
        AUDITS.c.attempts == attempt,
        AUDITS.c.status == AuditStatus.RUNNING.value,
    )


def _owned(owner: str) -> ColumnElement[bool]:
    return and_(AUDITS.c.owner == owner, AUDITS.c.status == AuditStatus.RUNNING.value)


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
