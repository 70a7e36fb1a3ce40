"""All rows of a call, in whatever table: found by the column that every such table has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, select

import storage.review_tables  # noqa: F401 - claims and the queue are rows of calls, too
from storage.keeping_tables import DELETIONS, HOLDS
from storage.tables import AUDITS, CALLS, FINDINGS, HITS, METADATA, RECORDINGS
from storage.trail_tables import CHAINED

# What must outlive the call: who held it, that it was deleted, and who saw it.
_LASTING = frozenset({HOLDS.name, DELETIONS.name}) | CHAINED


def tables_of_calls() -> tuple[Table, ...]:
    """Tables whose rows belong to a call, those that refer to others first."""
    return tuple(
        table
        for table in reversed(METADATA.sorted_tables)
        if "room_sid" in table.c and table.name not in _LASTING
    )


def delete_call(connection: Connection, room_sid: str) -> int:
    """Remove every row of a call.

    Returns:
        How many rows there were.
    """
    audits = select(AUDITS.c.audit_key).where(AUDITS.c.room_sid == room_sid)
    n_rows = connection.execute(delete(FINDINGS).where(FINDINGS.c.audit_key.in_(audits))).rowcount
    for table in tables_of_calls():
        n_rows += connection.execute(delete(table).where(table.c.room_sid == room_sid)).rowcount
    return n_rows


def beginnings(connection: Connection) -> Mapping[str, datetime]:
    """When each call began of which there is any row, as near as the rows tell; UTC."""
    began: dict[str, datetime] = {}
    # The surest source comes last and wins.
    for column, moment in (
        (HITS.c.room_sid, HITS.c.recorded_at),
        (AUDITS.c.room_sid, AUDITS.c.started_at),
        (RECORDINGS.c.room_sid, RECORDINGS.c.started_at),
        (RECORDINGS.c.room_sid, RECORDINGS.c.call_started_at),
        (CALLS.c.room_sid, CALLS.c.created_at),
    ):
        rows = connection.execute(select(column, func.min(moment)).group_by(column))
        began |= {room_sid: at for room_sid, at in rows if at is not None}
    return began
