"""The call ledger: what the live side must not lose, written to the database as it happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from realtime import metrics
from realtime.alerts import Alert
from realtime.routes import Routes
from rules.types import Role, Span
from storage import calls, gaps, heartbeats, hits, recordings, speech
from storage.database import Connection, Database
from storage.errors import DatabaseUnavailableError, StorageError
from storage.manifest import Recording

log = logging.getLogger(__name__)

# A row is tried again after these pauses, the last one again and again.
_RETRY_DELAYS_S = (0.1, 0.5, 2.0, 5.0, 10.0)
_MAX_TRIES = 5
_MAX_TRIES_WHILE_AWAY = 360  # about an hour: a database that restarts or moves is back by then
# Rows that wait while the database is away: more than an hour of a busy call has.
_MAX_WAITING = 2000
# Spans of speech are written so many at a time.
_SPEECH_BATCH = 20
# How long the end of a call waits for a database that is away.
_CLOSE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Something to be written."""

    write: Callable[[Connection], object]
    what: str  # for the log
    on_written: Callable[[], None]


def _nothing() -> None:
    """Nobody waits for this row."""


class CallLedger:
    """Writes one call's rows, in order and without ever holding up who hears; an alert sink.

    A hit and its delivery are written in one transaction, so that no process death can part them.

    Args:
        database: Open.
        room_sid: The call.
        room_name: Stored with the call.
        call_started_at: When the room was created.
        rulebook_fingerprint: The rules in force.
        source: "livekit" or "replay".
        routes: Who is told of hits; None tells nobody.
        on_queued: Called after a hit was written, to wake the one who delivers.
        job_id: The job that observes; None where nobody else could.
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
        routes: Routes | None = None,
        on_queued: Callable[[], None] = _nothing,
        job_id: str | None = None,
    ) -> None:
        self._database = database
        self._room_sid = room_sid
        self._room_name = room_name
        self._call_started_at = call_started_at
        self._rulebook_fingerprint = rulebook_fingerprint
        self._source = source
        self._routes = routes
        self._on_queued = on_queued
        self.on_gap: Callable[[gaps.Gap], None] | None = None  # told of what was not heard
        self._job_id = job_id
        self._is_beat_waiting = False
        self._speech: list[tuple[str, Span]] = []
        self._rows: asyncio.Queue[_Row] = asyncio.Queue(_MAX_WAITING)
        self._writer: asyncio.Task[None] | None = None

    @property
    def n_waiting(self) -> int:
        """How many rows wait to be written."""
        return self._rows.qsize()

    def start(self) -> None:
        """Begin to write."""
        self._writer = asyncio.create_task(self._write_forever(), name="ledger-writer")

    async def close(self) -> None:
        """Write what is left, for as long as may be waited, and stop."""
        try:
            await asyncio.wait_for(self._rows.join(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.error(
                "rows were lost: the database stayed away",
                extra={"room_sid": self._room_sid, "count": self._rows.qsize()},
            )
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def joined(self, observer_joined_s: float) -> None:
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

        self._put(write, "call")

    def ended(self, at_s: float) -> None:
        """The call is over and everything of it has been written."""
        self._put_speech()
        ended_at = self._call_started_at + timedelta(seconds=at_s)

        def write(connection: Connection) -> None:
            if self._job_id is not None and heartbeats.is_observed_by_another(
                connection, self._room_sid, self._job_id, now=datetime.now(UTC)
            ):
                return  # one of two observers was sent away; the call goes on
            calls.end_call(connection, self._room_sid, ended_at)

        self._put(write, "call end")

    def beat(self, heard_until_s: float) -> None:
        """The observer lives, and what was said before has been put here to be written."""
        job_id = self._job_id
        if job_id is None or self._is_beat_waiting:
            return

        def write(connection: Connection) -> None:
            self._is_beat_waiting = False
            # The time of writing: only what is written proves anything to others.
            heartbeats.beat(
                connection,
                self._room_sid,
                job_id,
                now=datetime.now(UTC),
                heard_until_s=heard_until_s,
            )

        self._is_beat_waiting = True
        self._put(write, "heartbeat")

    def spoke(self, identity: str, span: Span) -> None:
        """Somebody spoke, from one position of the call clock to another."""
        self._speech.append((identity, span))
        if len(self._speech) >= _SPEECH_BATCH:
            self._put_speech()

    def left(self) -> None:
        """The observer leaves, and all that it heard has been put here to be written."""
        self._put_speech()
        job_id = self._job_id
        if job_id is not None:
            self._put(
                lambda c: heartbeats.leave(c, self._room_sid, job_id, now=datetime.now(UTC)),
                "leaving",
            )

    def participant(self, *, identity: str, role: Role | None, kind: str, joined_s: float) -> None:
        """Somebody joined, or became known by another role."""
        row = calls.CallParticipant(
            room_sid=self._room_sid, identity=identity, role=role, kind=kind, joined_s=joined_s
        )
        self._put(lambda c: calls.save_participant(c, row), "participant")

    def participant_left(self, identity: str, left_s: float) -> None:
        """Somebody left."""
        self._put(
            lambda c: calls.participant_left(c, self._room_sid, identity, left_s), "participant"
        )

    def gap(
        self,
        *,
        identity: str | None,
        kind: str,
        start_s: float,
        end_s: float | None = None,
        detail: str | None = None,
    ) -> None:
        """Something was not heard."""
        metrics.GAPS.labels(kind).inc()
        row = gaps.Gap(
            room_sid=self._room_sid,
            identity=identity,
            kind=gaps.GapKind(kind),
            start_s=start_s,
            end_s=end_s,
            detail=detail,
        )
        self._put(lambda c: gaps.save_gap(c, row), "gap")
        if self.on_gap is not None:
            self.on_gap(row)

    async def publish(self, alert: Alert) -> None:
        """Write a hit, and with it the deliveries of its alert."""

        def write(connection: Connection) -> None:
            hits.save_hit(
                connection,
                self._room_sid,
                alert.hit,
                recorded_at=alert.raised_at,
                shadow=alert.shadow,
            )
            if self._routes:
                self._routes.queue(connection, alert)

        self._put(write, "hit", on_written=self._on_queued)

    def recording(self, recording: Recording) -> None:
        """A recording was put away. Called from a thread; raises what the database raises."""
        with self._database.begin() as connection:
            recordings.save_recording(connection, recording)

    def _put_speech(self) -> None:
        spoken, self._speech = self._speech, []
        if not spoken:
            return

        def write(connection: Connection) -> None:
            n_lost = speech.save_speech(connection, self._room_sid, spoken)
            if n_lost:
                log.warning(
                    "who spoke when is no longer kept: the call is too long",
                    extra={"room_sid": self._room_sid, "count": n_lost},
                )

        self._put(write, "speech")

    def _put(
        self,
        write: Callable[[Connection], object],
        what: str,
        *,
        on_written: Callable[[], None] = _nothing,
    ) -> None:
        try:
            self._rows.put_nowait(_Row(write=write, what=what, on_written=on_written))
        except asyncio.QueueFull:
            log.error("a row was lost: too many wait", extra=self._ids(what))

    async def _write_forever(self) -> None:
        while True:
            row = await self._rows.get()
            try:
                await self._write(row)
            except Exception as exc:  # one row that cannot be made must not stop the others
                log.error(
                    "a row could not be written",
                    extra={**self._ids(row.what), "error": type(exc).__name__},
                )
            finally:
                self._rows.task_done()

    async def _write(self, row: _Row) -> None:
        for n_tries in range(1, _MAX_TRIES_WHILE_AWAY + 1):
            try:
                await asyncio.to_thread(self._in_transaction, row.write)
            except (StorageError, SQLAlchemyError) as exc:
                is_away = isinstance(exc, DatabaseUnavailableError)
                if n_tries == _MAX_TRIES_WHILE_AWAY or (n_tries >= _MAX_TRIES and not is_away):
                    log.error(
                        "the database refused a row",
                        extra={**self._ids(row.what), "error": type(exc).__name__},
                    )
                    return
                await asyncio.sleep(_RETRY_DELAYS_S[min(n_tries, len(_RETRY_DELAYS_S)) - 1])
            else:
                row.on_written()
                return

    def _ids(self, what: str) -> dict[str, str]:
        return {"room_sid": self._room_sid, "what": what}

    def _in_transaction(self, write: Callable[[Connection], object]) -> None:
        with self._database.begin() as connection:
            write(connection)
