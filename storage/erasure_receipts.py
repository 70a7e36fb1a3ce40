"""Receipts of erasures: that one was done, when, and how much went; not whose."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, select, update

from storage.keeping_tables import ERASURES


class ErasureStatus(StrEnum):
    """How far an erasure is."""

    RUNNING = "running"  # or its process died: the same order goes on with it
    DONE = "done"
    PARTIAL = "partial"  # something is held or locked, or was to be kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is kept of an erasure."""

    erasure_id: str
    subject_hash: str  # keyed; whoever has key and identity finds it again
    status: ErasureStatus
    reason: str | None
    started_at: datetime  # UTC
    finished_at: datetime | None  # UTC
    counts: Mapping[str, object] | None
    left_behind: Mapping[str, object] | None


def begin_erasure(
    connection: Connection, subject_hash: str, *, reason: str | None, now: datetime
) -> tuple[Receipt, bool]:
    """Begin an erasure, or go on with one of the same person that was not finished.

    Returns:
        Its receipt so far, and whether an earlier run had begun it.
    """
    is_open = (ERASURES.c.subject_hash == subject_hash) & (
        ERASURES.c.status == ErasureStatus.RUNNING.value
    )
    found = _select(connection, is_open)
    if found:
        return found[0], True
    receipt = Receipt(
        erasure_id=f"er_{uuid.uuid4().hex[:16]}",
        subject_hash=subject_hash,
        status=ErasureStatus.RUNNING,
        reason=reason,
        started_at=now,
        finished_at=None,
        counts=None,
        left_behind=None,
    )
    row = {name: getattr(receipt, name) for name in Receipt.__dataclass_fields__}
    connection.execute(ERASURES.insert().values(row | {"status": receipt.status.value}))
    return receipt, False


def finish_erasure(
    connection: Connection,
    erasure_id: str,
    *,
    status: ErasureStatus,
    counts: Mapping[str, object],
    left_behind: Mapping[str, object],
    now: datetime,
) -> Receipt:
    """Note what an erasure came to."""
    connection.execute(
        update(ERASURES)
        .where(ERASURES.c.erasure_id == erasure_id)
        .values(
            status=status.value,
            counts=dict(counts),
            left_behind=dict(left_behind),
            finished_at=now,
        )
    )
    return _select(connection, ERASURES.c.erasure_id == erasure_id)[0]


def receipts_of(connection: Connection, subject_hash: str) -> tuple[Receipt, ...]:
    """The receipts of one person, the oldest first."""
    return tuple(_select(connection, ERASURES.c.subject_hash == subject_hash))


def all_receipts(connection: Connection) -> tuple[Receipt, ...]:
    """All receipts, the oldest first."""
    return tuple(_select(connection, ERASURES.c.erasure_id.is_not(None)))


def _select(connection: Connection, where: ColumnElement[bool]) -> list[Receipt]:
    rows = connection.execute(
        select(ERASURES).where(where).order_by(ERASURES.c.started_at, ERASURES.c.erasure_id)
    ).mappings()
    return [Receipt(**{**row, "status": ErasureStatus(row["status"])}) for row in rows]
