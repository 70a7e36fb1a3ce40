"""Marks for deletion that the audit has made, where this database has the table for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Text, column, inspect, select, table, update

from storage.columns import UtcDateTime

_MARKS = table(
    "deletion_marks",
    column("object_key", Text),
    column("reason", Text),
    column("room_sid", Text),
    column("marked_at", UtcDateTime),
    column("deleted_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An object that must not be kept."""

    object_key: str
    reason: str  # a code
    room_sid: str


def open_marks(connection: Connection) -> tuple[Mark, ...]:
    """What is still to be deleted, the oldest marks first."""
    if not inspect(connection).has_table(_MARKS.name):
        return ()
    rows = connection.execute(
        select(_MARKS.c.object_key, _MARKS.c.reason, _MARKS.c.room_sid)
        .where(_MARKS.c.deleted_at.is_(None))
        .order_by(_MARKS.c.marked_at, _MARKS.c.object_key, _MARKS.c.reason)
    ).mappings()
    return tuple(Mark(**row) for row in rows)


def close_marks(connection: Connection, object_key: str, at: datetime) -> None:
    """Note that a marked object is gone; the row stays, so that whoever misses it reads why."""
    if inspect(connection).has_table(_MARKS.name):
        connection.execute(
            update(_MARKS)
            .where(_MARKS.c.object_key == object_key, _MARKS.c.deleted_at.is_(None))
            .values(deleted_at=at)
        )
