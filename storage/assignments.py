"""Which calls a lead gave to whom. Whoever else wants one may still take it by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from storage.errors import ReviewError
from storage.queue_summary import Status
from storage.review_tables import ASSIGNMENTS, QUEUE
from storage.upsert import upsert

MAX_CALLS = 500  # at once


def assign(
    connection: Connection,
    room_sids: Collection[str],
    assignee: str,
    *,
    assigned_by: str,
    now: datetime,
) -> tuple[str, ...]:
    """Give calls to somebody; calls that somebody else was given change hands.

    Returns:
        Those that are in the queue, and were given.

    Raises:
        ReviewError: to nobody, or too many at once.
    """
    if not assignee:
        raise ReviewError("calls are assigned to somebody; say to whom")
    given = _queued(connection, room_sids)
    for room_sid in given:
        upsert(
            connection,
            ASSIGNMENTS,
            {
                "room_sid": room_sid,
                "assignee": assignee,
                "assigned_by": assigned_by,
                "assigned_at": now,
            },
        )
    return given


def unassign(connection: Connection, room_sids: Collection[str]) -> tuple[str, ...]:
    """Take calls back from whom they were given to.

    Returns:
        Those that somebody had been given.
    """
    _check(room_sids)
    return tuple(
        sorted(
            connection.execute(
                delete(ASSIGNMENTS)
                .where(ASSIGNMENTS.c.room_sid.in_(list(room_sids)))
                .returning(ASSIGNMENTS.c.room_sid)
            ).scalars()
        )
    )


def open_by_assignee(connection: Connection) -> Mapping[str, int]:
    """How many open calls everybody has been given."""
    rows = connection.execute(
        select(ASSIGNMENTS.c.assignee, func.count())
        .join(QUEUE, QUEUE.c.room_sid == ASSIGNMENTS.c.room_sid)
        .where(QUEUE.c.status == Status.OPEN.value)
        .group_by(ASSIGNMENTS.c.assignee)
        .order_by(ASSIGNMENTS.c.assignee)
    )
    return {assignee: n_calls for assignee, n_calls in rows}


def _queued(connection: Connection, room_sids: Collection[str]) -> tuple[str, ...]:
    _check(room_sids)
    where = QUEUE.c.room_sid.in_(list(room_sids))
    return tuple(sorted(connection.execute(select(QUEUE.c.room_sid).where(where)).scalars()))


def _check(room_sids: Collection[str]) -> None:
    if len(room_sids) > MAX_CALLS:
        raise ReviewError(f"at most {MAX_CALLS} calls can be assigned at once")
