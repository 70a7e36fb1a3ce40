"""Objects that must not be kept: marked by who finds out why, deleted by `earmark retention apply`.

A mark stays after the object is gone, so that whoever misses it can read why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, select, update

from storage.tables import DELETION_MARKS
from storage.upsert import insert_if_new


class DeletionReason(StrEnum):
    """Why an object must not be kept."""

    CARD_SECURITY_CODE = "card_security_code"  # PCI DSS v4.0.1, requirement 3.3.1.2
    PIN = "pin"  # requirement 3.3.1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionMark:
    """An object that is to be deleted, or was."""

    object_key: str
    reason: DeletionReason
    room_sid: str
    marked_at: datetime  # UTC
    deleted_at: datetime | None = None  # UTC; None while it is there


def mark_for_deletion(connection: Connection, marks: Iterable[DeletionMark]) -> int:
    """Add marks; those that are there stay as they were.

    Args:
        connection: In the transaction that finishes the audit.
        marks: For one object and reason, the first one counts.

    Returns:
        How many are new.
    """
    return sum(
        insert_if_new(
            connection,
            DELETION_MARKS,
            {
                "object_key": mark.object_key,
                "reason": mark.reason.value,
                "room_sid": mark.room_sid,
                "marked_at": mark.marked_at,
                "deleted_at": mark.deleted_at,
            },
        )
        for mark in marks
    )


def open_marks(connection: Connection) -> tuple[DeletionMark, ...]:
    """What is still to be deleted, the oldest marks first."""
    return _select(connection, DELETION_MARKS.c.deleted_at.is_(None))


def marks_of(connection: Connection, room_sid: str) -> tuple[DeletionMark, ...]:
    """All marks on objects of a call."""
    return _select(connection, DELETION_MARKS.c.room_sid == room_sid)


def note_deleted(connection: Connection, object_key: str, at: datetime) -> None:
    """Note that a marked object is gone; the first time counts.

    Args:
        connection: In a transaction; the object was deleted before it.
        object_key: The object.
        at: UTC.
    """
    connection.execute(
        update(DELETION_MARKS)
        .where(DELETION_MARKS.c.object_key == object_key, DELETION_MARKS.c.deleted_at.is_(None))
        .values(deleted_at=at)
    )


def _select(connection: Connection, where: ColumnElement[bool]) -> tuple[DeletionMark, ...]:
    rows = connection.execute(
        select(DELETION_MARKS)
        .where(where)
        .order_by(DELETION_MARKS.c.marked_at, DELETION_MARKS.c.object_key, DELETION_MARKS.c.reason)
    ).mappings()
    return tuple(
        DeletionMark(
            object_key=row["object_key"],
            reason=DeletionReason(row["reason"]),
            room_sid=row["room_sid"],
            marked_at=row["marked_at"],
            deleted_at=row["deleted_at"],
        )
        for row in rows
    )
