"""What became of queued deliveries, for people: a list, and what is dead sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, RowMapping, or_, select, update

from storage.deliveries import FOLLOWS_DEAD, Kind
from storage.tables import OUTBOX


class Fate(StrEnum):
    """How a delivery stands."""

    WAITING = "waiting"  # not tried yet, or to be tried again
    DELIVERED = "delivered"
    DEAD = "dead"  # given up
    CANCELLED = "cancelled"  # taken back before it left


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One delivery, without its payload."""

    id: str
    message_id: str | None  # under which it left: its own id, or that of the hit it left with
    room_sid: str
    hit_id: str
    rule: str | None
    target: str
    kind: Kind
    fate: Fate
    attempts: int
    created_at: datetime  # UTC
    next_attempt_at: datetime | None  # UTC; None for what is not waiting
    ended_at: datetime | None  # UTC; None for what is waiting
    last_error: str | None  # a code, such as "status 503"


def letters(connection: Connection, *, dead: bool = False, limit: int) -> tuple[Letter, ...]:
    """The newest deliveries, newest first.

    Args:
        connection: In a transaction.
        dead: Only what was given up.
        limit: How many at most.
    """
    query = select(OUTBOX).order_by(OUTBOX.c.created_at.desc(), OUTBOX.c.delivery_id).limit(limit)
    if dead:
        query = query.where(OUTBOX.c.dead_at.is_not(None))
    return tuple(_letter(row) for row in connection.execute(query).mappings())


def replay(
    connection: Connection, *, now: datetime, ids: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Queue again what was given up, under the ids that it had.

    Of a message that was collected, all of it is queued; with an alert goes the retraction that
    was given up because of it.

    Args:
        connection: In a transaction.
        now: UTC; they are due at once.
        ids: Of deliveries or messages; None = all that is dead.

    Returns:
        The ids of the deliveries that are queued again, sorted; what is not dead is left out.
    """
    is_meant: list[ColumnElement[bool]] = []
    if ids is not None:
        named = or_(OUTBOX.c.delivery_id.in_(ids), OUTBOX.c.message_id.in_(ids))
        of_messages = select(OUTBOX.c.message_id).where(named, OUTBOX.c.message_id.is_not(None))
        is_meant = [or_(named, OUTBOX.c.message_id.in_(of_messages))]
    rows = _dead(connection, *is_meant)
    hits = {(row["room_sid"], row["hit_id"], row["target"]) for row in rows}
    if ids is not None and hits:
        followers = _dead(
            connection,
            OUTBOX.c.last_error == FOLLOWS_DEAD,
            OUTBOX.c.hit_id.in_([hit_id for _, hit_id, _ in hits]),
        )
        rows += [row for row in followers if _hit(row) in hits and row not in rows]
    revived = sorted({row["delivery_id"] for row in rows})
    connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.delivery_id.in_(revived))
        # One attempt, not none: it has left before, so a retraction must not cancel it.
        .values(dead_at=None, last_error=None, attempts=1, next_attempt_at=now)
    )
    return tuple(revived)


def _dead(connection: Connection, *conditions: ColumnElement[bool]) -> list[RowMapping]:
    query = select(OUTBOX).where(OUTBOX.c.dead_at.is_not(None), *conditions).with_for_update()
    return list(connection.execute(query).mappings())


def _hit(row: RowMapping) -> tuple[str, str, str]:
    return (row["room_sid"], row["hit_id"], row["target"])


def _letter(row: RowMapping) -> Letter:
    ends = {
        Fate.DELIVERED: row["delivered_at"],
        Fate.CANCELLED: row["cancelled_at"],
        Fate.DEAD: row["dead_at"],
    }
    fate, ended_at = next(
        ((fate, at) for fate, at in ends.items() if at is not None), (Fate.WAITING, None)
    )
    rule = row["payload"].get("rule")
    return Letter(
        id=row["delivery_id"],
        message_id=row["message_id"],
        room_sid=row["room_sid"],
        hit_id=row["hit_id"],
        rule=str(rule) if rule is not None else None,
        target=row["target"],
        kind=Kind(row["kind"]),
        fate=fate,
        attempts=row["attempts"],
        created_at=row["created_at"],
        next_attempt_at=row["next_attempt_at"] if fate is Fate.WAITING else None,
        ended_at=ended_at,
        last_error=row["last_error"],
    )
