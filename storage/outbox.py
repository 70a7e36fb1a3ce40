"""Deliveries that must leave the house, written together with what they tell of.

A delivery is taken by moving its next attempt into the future, so a worker that dies gives it back
by doing nothing. Receivers may see one twice, and know it by its id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select, update

from storage.tables import OUTBOX
from storage.upsert import insert_if_new

# Long enough for a batch of slow posts; a dead worker's deliveries wait for so long.
LEASE_S = 300.0
# Workers give up much earlier; this ends deliveries that kill whoever takes them.
MAX_ATTEMPTS = 40
ALERT = "alert"  # the kind of a delivery that tells of a hit for the first time
_OPEN = OUTBOX.c.delivered_at.is_(None) & OUTBOX.c.dead_at.is_(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something to deliver."""

    id: str  # the same over all attempts
    room_sid: str
    hit_id: str
    target: str  # kind of receiver, such as "webhook"
    payload: Mapping[str, object] = field(repr=False)
    created_at: datetime  # UTC
    attempts: int  # made before this one


def delivery_id(room_sid: str, hit_id: str, target: str, kind: str = ALERT) -> str:
    """The id of a hit's delivery to one kind of receiver."""
    named = [room_sid, hit_id, target] + ([] if kind == ALERT else [kind])
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    return f"dl_{digest[:32]}"


def enqueue(
    connection: Connection,
    *,
    room_sid: str,
    hit_id: str,
    target: str,
    payload: Mapping[str, object],
    now: datetime,
    kind: str = ALERT,
) -> str:
    """Queue a delivery, due at once. If it was queued before, nothing changes.

    Args:
        connection: In the transaction that writes the hit.
        room_sid: The call.
        hit_id: The hit it tells of, which has been saved.
        target: Kind of receiver.
        payload: JSON; ids, spans and masked excerpts only.
        now: UTC.
        kind: What it tells of the hit: each kind is a delivery of its own.

    Returns:
        The delivery's id.
    """
    row = {
        "delivery_id": delivery_id(room_sid, hit_id, target, kind),
        "room_sid": room_sid,
        "hit_id": hit_id,
        "target": target,
        "payload": dict(payload),
        "created_at": now,
        "attempts": 0,
        "next_attempt_at": now,
    }
    insert_if_new(connection, OUTBOX, row)
    return str(row["delivery_id"])


def due(
    connection: Connection, *, now: datetime, limit: int, lease_s: float = LEASE_S
) -> tuple[Delivery, ...]:
    """Take deliveries whose time has come, the longest waiting first.

    What is taken here is taken by nobody else for `lease_s`; commit before you deliver.

    Args:
        connection: In a transaction of its own.
        now: UTC.
        limit: How many at most.
        lease_s: How long the caller may take to deliver them all and to say how it went.
    """
    connection.execute(
        update(OUTBOX)
        .where(_OPEN, OUTBOX.c.next_attempt_at <= now, OUTBOX.c.attempts >= MAX_ATTEMPTS)
        .values(dead_at=now, last_error="too many attempts")
    )
    # SQLite has no row locks and needs none: its transaction holds the write lock.
    rows = (
        connection.execute(
            select(OUTBOX)
            .where(_OPEN, OUTBOX.c.next_attempt_at <= now)
            .order_by(OUTBOX.c.next_attempt_at, OUTBOX.c.delivery_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        .mappings()
        .all()
    )
    connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.delivery_id.in_([row["delivery_id"] for row in rows]))
        .values(attempts=OUTBOX.c.attempts + 1, next_attempt_at=now + timedelta(seconds=lease_s))
    )
    return tuple(
        Delivery(
            id=row["delivery_id"],
            room_sid=row["room_sid"],
            hit_id=row["hit_id"],
            target=row["target"],
            payload=row["payload"],
            created_at=row["created_at"],
            attempts=row["attempts"],
        )
        for row in rows
    )


def mark_delivered(connection: Connection, delivery_id: str, *, now: datetime) -> None:
    """Note that a delivery arrived, even if it had been given up meanwhile."""
    connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.delivery_id == delivery_id, OUTBOX.c.delivered_at.is_(None))
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
    """Note that an attempt failed. A delivery that arrived meanwhile stays delivered.

    Args:
        connection: In a transaction.
        delivery_id: The delivery.
        error: A code such as "status 503", never what the receiver wrote.
        next_attempt_at: UTC; None gives the delivery up.
        now: UTC.
    """
    end = {"dead_at": now} if next_attempt_at is None else {"next_attempt_at": next_attempt_at}
    connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.delivery_id == delivery_id, _OPEN)
        .values(last_error=error, **end)
    )


def depth(connection: Connection) -> tuple[int, int]:
    """How many deliveries are open, and how many were given up."""

    def count(which: ColumnElement[bool]) -> int:
        return connection.execute(
            select(func.count()).select_from(OUTBOX).where(which)
        ).scalar_one()

    return count(_OPEN), count(OUTBOX.c.dead_at.is_not(None))
