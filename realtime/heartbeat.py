"""Heartbeats: an observer says in the database that it lives, and how far it has heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from realtime import metrics
from realtime.ledger import CallLedger
from storage.database import Database
from storage.errors import StorageError
from storage.heartbeats import BEAT_S, Seat, take_seat

log = logging.getLogger(__name__)

# What was heard before the watermark is on its way to the ledger for a moment longer. The beat
# waits for it, so that what a beat calls heard has been written when the beat is.
_SETTLE_S = 0.5


async def ask_for_seat(database: Database, room_sid: str, job_id: str) -> Seat | None:
    """Become the observer of a call, unless it has one.

    Without the database nobody can be asked. Then it is better to hear a call twice than not at
    all; the watcher sends the second one away later.

    Returns:
        The answer; None where nobody could be asked.
    """

    def ask() -> Seat:
        with database.begin() as connection:
            return take_seat(connection, room_sid, job_id, now=datetime.now(UTC))

    try:
        return await asyncio.to_thread(ask)
    except StorageError as exc:
        log.error(
            "nobody can say whether the room is observed already",
            extra={"room_sid": room_sid, "error": type(exc).__name__},
        )
        return None


class Listening(Protocol):
    """What a heart wants to know of an observer."""

    @property
    def heard_until_s(self) -> float:
        """Call-clock position before which everything has been judged."""

    def queue_depths(self) -> Mapping[str, int]:
        """How much waits, by queue."""


async def beat_forever(ledger: CallLedger, observer: Listening) -> None:
    """Beat until cancelled.

    Args:
        ledger: Writes beats in order with what was heard.
        observer: Whose heart this is.
    """
    while True:
        position_s = observer.heard_until_s
        await asyncio.sleep(_SETTLE_S)
        ledger.beat(position_s)
        for queue, depth in observer.queue_depths().items():
            metrics.QUEUED.labels(queue).set(depth)
        await asyncio.sleep(BEAT_S - _SETTLE_S)
