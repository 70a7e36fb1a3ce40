"""Departures: deliveries of the outbox are taken, and what became of them is noted.

A delivery is taken by moving its next attempt into the future, so a worker that dies gives it back
by doing nothing. Receivers may see one twice, and know it by its id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)

from storage.deliveries import ALERT, FOLLOWS_DEAD, OPEN, UNTOLD_ALERT, Delivery, Kind
from storage.tables import OUTBOX

# Long enough for a batch of slow posts; a dead worker's deliveries wait for so long.
LEASE_S = 120.0
# Workers give up much earlier; this ends deliveries that kill whoever takes them.
MAX_ATTEMPTS = 40
# A delivery that is due for so long is of a target that nobody serves any more.
MAX_WAIT_S = 7 * 86_400.0


def is_due(connection: Connection, *, now: datetime, targets: Collection[str]) -> bool:
    """Whether `due` would have something to do; reads only."""
    row = connection.execute(select(OUTBOX.c.delivery_id).where(*_takable(now, targets)).limit(1))
    return row.first() is not None


def due(
    connection: Connection,
    *,
    now: datetime,
    limit: int,
    targets: Collection[str] | None = None,
    lease_s: float = LEASE_S,
) -> tuple[Delivery, ...]:
    """Take deliveries whose time has come, the longest waiting first.

    What is taken here is taken by nobody else for `lease_s`; commit before you deliver. What waits
    together is one message, whose id and contents are settled when it is taken first.

    Args:
        connection: In a transaction of its own.
        now: UTC.
        limit: How many messages at most.
        targets: Only what is for these; None = for any.
        lease_s: How long the caller may take to deliver them all and to say how it went.
    """
    _end_hopeless(connection, now)
    # SQLite has no row locks and needs none: its transaction holds the write lock.
    heads = _rows(connection, *_takable(now, targets), limit=limit)
    messages: dict[str, list[RowMapping]] = {}
    for head in heads:
        if any(head["delivery_id"] == row["delivery_id"] for m in messages.values() for row in m):
            continue  # collected with an earlier one
        messages[head["delivery_id"]] = [head, *_collected_with(connection, head, now)]
    for id, rows in messages.items():
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.delivery_id.in_([row["delivery_id"] for row in rows]))
            .values(
                message_id=id,
                attempts=OUTBOX.c.attempts + 1,
                next_attempt_at=now + timedelta(seconds=lease_s),
            )
        )
    return tuple(_delivery(rows) for rows in messages.values())


def _takable(now: datetime, targets: Collection[str] | None) -> list[ColumnElement[bool]]:
    waits = exists().where(UNTOLD_ALERT)
    # Of a message that was taken before, only its first row stands for it.
    is_head = or_(OUTBOX.c.message_id.is_(None), OUTBOX.c.message_id == OUTBOX.c.delivery_id)
    wanted = [] if targets is None else [OUTBOX.c.target.in_(targets)]
    return [OPEN, OUTBOX.c.next_attempt_at <= now, is_head, ~waits, *wanted]


def _collected_with(
    connection: Connection, head: RowMapping, now: datetime
) -> Sequence[RowMapping]:
    """The other rows of the message that `head` stands for."""
    if head["message_id"] is not None:
        with_it = OUTBOX.c.message_id == head["delivery_id"]
    elif head["window_id"] not in {None, head["delivery_id"]}:
        # The one that opened the window leaves by itself.
        with_it = and_(
            OUTBOX.c.room_sid == head["room_sid"],
            OUTBOX.c.window_id == head["window_id"],
            OUTBOX.c.delivery_id != head["window_id"],
            OUTBOX.c.message_id.is_(None),
            OUTBOX.c.next_attempt_at <= now,
        )
    else:
        return ()
    return _rows(connection, OPEN, with_it, OUTBOX.c.delivery_id != head["delivery_id"])


def _rows(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> Sequence[RowMapping]:
    return (
        connection.execute(
            select(OUTBOX)
            .where(*conditions)
            .order_by(OUTBOX.c.next_attempt_at, OUTBOX.c.created_at, OUTBOX.c.delivery_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        .mappings()
        .all()
    )


def _end_hopeless(connection: Connection, now: datetime) -> None:
    """Give up what kills its takers, and what takes a dead letter back."""
    follows_dead = exists().where(UNTOLD_ALERT, ALERT.c.dead_at.is_not(None))
    is_due_now = OUTBOX.c.next_attempt_at <= now
    _give_up(connection, now, "too many attempts", is_due_now, OUTBOX.c.attempts >= MAX_ATTEMPTS)
    _give_up(connection, now, FOLLOWS_DEAD, is_due_now, follows_dead)


def end_unserved(connection: Connection, *, now: datetime, targets: Collection[str]) -> None:
    """Give up what has been due for a week for a target that nobody has any more.

    Args:
        connection: In a transaction.
        now: UTC.
        targets: All that there are.
    """
    long_ago = OUTBOX.c.next_attempt_at <= now - timedelta(seconds=MAX_WAIT_S)
    _give_up(connection, now, "no target has this name", long_ago, OUTBOX.c.target.not_in(targets))


def _give_up(
    connection: Connection, now: datetime, error: str, *conditions: ColumnElement[bool]
) -> None:
    rows = _rows(connection, OPEN, *conditions)
    if rows:
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.delivery_id.in_([row["delivery_id"] for row in rows]))
            .values(dead_at=now, last_error=error)
        )


def _delivery(rows: Sequence[RowMapping]) -> Delivery:
    head, *others = rows
    return Delivery(
        id=head["delivery_id"],
        room_sid=head["room_sid"],
        hit_id=head["hit_id"],
        target=head["target"],
        kind=Kind(head["kind"]),
        payload=head["payload"],
        more=tuple(row["payload"] for row in others),
        created_at=head["created_at"],
        attempts=head["attempts"],
    )


def mark_delivered(connection: Connection, delivery_id: str, *, now: datetime) -> None:
    """Note that a message arrived, even if it had been given up meanwhile."""
    connection.execute(
        update(OUTBOX)
        .where(_of_message(delivery_id), OUTBOX.c.delivered_at.is_(None))
        .values(delivered_at=now, dead_at=None, last_error=None)
    )


def mark_failed(
    connection: Connection,
    delivery_id: str,
    *,
    error: str,
    next_attempt_at: datetime | None,
    now: datetime,
) -> None:
    """Note that an attempt failed. A message that arrived meanwhile stays delivered.

    Args:
        connection: In a transaction.
        delivery_id: The message's id.
        error: A code such as "status 503", never what the receiver wrote.
        next_attempt_at: UTC; None gives the message up.
        now: UTC.
    """
    end = {"dead_at": now} if next_attempt_at is None else {"next_attempt_at": next_attempt_at}
    connection.execute(
        update(OUTBOX).where(_of_message(delivery_id), OPEN).values(last_error=error, **end)
    )


def _of_message(id: str) -> ColumnElement[bool]:
    return or_(OUTBOX.c.message_id == id, OUTBOX.c.delivery_id == id)


def depth(connection: Connection) -> tuple[int, int]:
    """How many deliveries are open, and how many were given up."""

    def count(which: ColumnElement[bool]) -> int:
        return connection.execute(
            select(func.count()).select_from(OUTBOX).where(which)
        ).scalar_one()

    return count(OPEN), count(OUTBOX.c.dead_at.is_not(None))
