"""Ids of webhooks that were taken in, so that one which comes twice does nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from storage.tables import WEBHOOK_EVENTS
from storage.upsert import insert_if_new

# A webhook's token lives for five minutes, and LiveKit tries for less than that.
KEPT_S = 24 * 3600.0


def is_new_event(connection: Connection, event_id: str, *, now: datetime) -> bool:
    """Whether an event was not taken in yet; from here on it counts as taken in.

    Args:
        connection: In the transaction that does what the event asks for.
        event_id: LiveKit's.
        now: UTC.
    """
    return insert_if_new(connection, WEBHOOK_EVENTS, {"event_id": event_id, "received_at": now})


def forget_events(connection: Connection, *, now: datetime) -> int:
    """Remove ids that can no longer come again.

    Returns:
        How many were removed.
    """
    before = now - timedelta(seconds=KEPT_S)
    return connection.execute(
        delete(WEBHOOK_EVENTS).where(WEBHOOK_EVENTS.c.received_at < before)
    ).rowcount
