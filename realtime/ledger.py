"""The call ledger: what the live side must not lose, written to the database as it happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from realtime.alerts import Alert
from rules.types import Role
from storage import calls, gaps, hits, outbox, recordings
from storage.database import Connection, Database
from storage.errors import StorageError
from storage.manifest import Recording

log = logging.getLogger(__name__)

# A database that restarts is back within this; a hit that was found meanwhile is written then.
_RETRY_DELAYS_S = (0.1, 0.5, 2.0, 5.0, 10.0)
WEBHOOK = "webhook"


class CallLedger:
    """Writes one call's rows; an alert sink.

    A hit and its delivery are written in one transaction, so that no process death can part them.

    Args:
        database: Open.
        room_sid: The call.
        room_name: Stored with the call.
        call_started_at: When the room was created.
        rulebook_fingerprint: The rules in force.
        source: "livekit" or "replay".
        deliver: Whether alerts are queued for the webhook.
        on_queued: Called after something was queued, to wake the one who delivers.
    """

    def __init__(
        self,
        *,
        database: Database,
        room_sid: str,
        room_name: str,
        call_started_at: datetime,
        rulebook_fingerprint: str,
        source: str,
        deliver: bool,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._room_sid = room_sid
        self._room_name = room_name
        self._call_started_at = call_started_at
        self._rulebook_fingerprint = rulebook_fingerprint
        self._source = source
        self._deliver = deliver
        self._on_queued = on_queued

    async def joined(self, observer_joined_s: float) -> None:
        """The observer is in the room."""

        def write(connection: Connection) -> None:
            calls.save_call(
                connection,
                calls.Call(
                    room_sid=self._room_sid,
                    room_name=self._room_name,
                    source=self._source,
                    created_at=self._call_started_at,
                    ended_at=None,
                    rulebook_fingerprint=self._rulebook_fingerprint,
                    observer_joined_s=observer_joined_s,
                ),
            )

        await self._write(write, "call")

    async def ended(self, at_s: float) -> None:
        """The call is over and everything of it has been written."""
        ended_at = self._call_started_at + timedelta(seconds=at_s)
        await self._write(lambda c: calls.end_call(c, self._room_sid, ended_at), "call end")

    async def participant(
        self, *, identity: str, role: Role | None, kind: str, joined_s: float
    ) -> None:
        """Somebody joined, or became known by another role."""
        row = calls.CallParticipant(
            room_sid=self._room_sid, identity=identity, role=role, kind=kind, joined_s=joined_s
        )
        await self._write(lambda c: calls.save_participant(c, row), "participant")

    async def participant_left(self, identity: str, left_s: float) -> None:
        """Somebody left."""
        await self._write(
            lambda c: calls.participant_left(c, self._room_sid, identity, left_s), "participant"
        )

    async def gap(
        self,
        *,
        identity: str | None,
        kind: str,
        start_s: float,
        end_s: float | None = None,
        detail: str | None = None,
    ) -> None:
        """Something was not heard."""
        row = gaps.Gap(
            room_sid=self._room_sid,
            identity=identity,
            kind=gaps.GapKind(kind),
            start_s=start_s,
            end_s=end_s,
            detail=detail,
        )
        await self._write(lambda c: gaps.save_gap(c, row), "gap")

    async def publish(self, alert: Alert) -> None:
        """Write a hit, and with it the delivery of its alert."""

        def write(connection: Connection) -> None:
            hits.save_hit(connection, self._room_sid, alert.hit, recorded_at=alert.raised_at)
            if self._deliver:
                outbox.enqueue(
                    connection,
                    room_sid=self._room_sid,
                    hit_id=alert.hit.id,
                    target=WEBHOOK,
                    payload=alert.payload(),
                    now=datetime.now(UTC),
                )

        await self._write(write, "hit")
        if self._deliver:
            self._on_queued()

    def recording(self, recording: Recording) -> None:
        """A recording was put away. Called from a thread; raises what the database raises."""
        with self._database.begin() as connection:
            recordings.save_recording(connection, recording)

    async def _write(self, write: Callable[[Connection], object], what: str) -> None:
        for delay_s in (*_RETRY_DELAYS_S, None):
            try:
                await asyncio.to_thread(self._in_transaction, write)
                return
            except (StorageError, SQLAlchemyError) as exc:
                if delay_s is None:
                    log.error(
                        "the database refused a row",
                        extra={
                            "room_sid": self._room_sid,
                            "what": what,
                            "error": type(exc).__name__,
                        },
                    )
                    return
                await asyncio.sleep(delay_s)

    def _in_transaction(self, write: Callable[[Connection], object]) -> None:
        with self._database.begin() as connection:
            write(connection)
