"""The watcher: looks at the server's rooms again and again, and keeps an observer in each."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import aiohttp
from livekit import api
from livekit.protocol.models import ParticipantInfo, Room

from realtime import metrics
from realtime.clock import call_start
from realtime.dispatch import observer_dispatches
from realtime.errors import LiveKitUnavailableError
from realtime.identity import AGENT_NAME, observer_identity
from realtime.watching import (
    RETRY_DELAYS_S,
    Action,
    Dispatch,
    Forget,
    Recovered,
    Report,
    Round,
    SeenRoom,
    Settle,
    Withdraw,
    decide,
)
from storage import heartbeats, watches
from storage.calls import Call
from storage.database import Database
from storage.errors import StorageError
from storage.heartbeats import STALE_S

log = logging.getLogger(__name__)

# In the metadata of a room, which only the server's API can set: `{"earmark.observe": false}`.
# As an attribute of a participant it counts by settings only: some may change their own.
OPT_OUT = "earmark.observe"
_OFF = "false"
# A dispatch this young may still be on its way to a job; it is neither repeated nor withdrawn.
_STARTING = timedelta(seconds=RETRY_DELAYS_S[0])
# The server's list of rooms is some seconds behind with how many are in them. Who is in a new room
# is asked of the room itself.
_NEW = timedelta(seconds=60)
# Requests to the server at one time.
_MAX_REQUESTS = 8
# After a failure, the next look comes later, up to this.
_MAX_PAUSE_S = 60.0
# What one room's request may fail with; the others must not suffer for it.
_FAILURES = (aiohttp.ClientError, api.TwirpError, TimeoutError)

Connect = Callable[[], AbstractAsyncContextManager[api.LiveKitAPI]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """Which rooms are watched, and how."""

    include: tuple[str, ...] = ()  # patterns of room names; none means every room
    exclude: tuple[str, ...] = ()
    min_participants: int = 1
    report_after_s: float = 60.0
    participants_may_opt_out: bool = False

    def names(self, room_name: str, metadata: str) -> bool:
        """Whether a room is to be observed, by its name and metadata."""
        if self.include and not _matches(room_name, self.include):
            return False
        return not _matches(room_name, self.exclude) and not _is_opted_out(metadata)


class Watcher:
    """Keeps rooms observed. Several may run on one server and one database.

    Args:
        connect: Gives the server API; called again after it failed.
        database: Where observers say that they live.
        policy: Which rooms, and how.
        on_round: Told what each look found and did.
        now: Wall time, UTC.
    """

    def __init__(
        self,
        *,
        connect: Connect,
        database: Database,
        policy: WatchPolicy,
        on_round: Callable[[Round], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connect = connect
        self._database = database
        self._policy = policy
        self._on_round = on_round
        self._now = now
        self._wake = asyncio.Event()
        self._requests = asyncio.Semaphore(_MAX_REQUESTS)
        self._last_good_at: datetime | None = None
        # While the database was away, no observer could say that it lives. So for a while after,
        # those count as living that did at the last good look.
        self._blind_since: datetime | None = None
        self._blind_until: datetime | None = None

    def wake(self) -> None:
        """Look at once: somebody knows that a room began, such as a receiver of webhooks."""
        self._wake.set()

    async def run(self, *, interval_s: float) -> None:
        """Look until cancelled. What fails is tried again at the next look.

        Args:
            interval_s: Time between two looks.
        """
        pause_s = interval_s
        while True:
            try:
                async with self._connect() as client:
                    while True:
                        await self.look(client)
                        pause_s = interval_s
                        await self._pause(interval_s)
            except (LiveKitUnavailableError, StorageError) as exc:
                log.error("the rooms could not be looked at", extra={"error": type(exc).__name__})
            pause_s = min(2 * pause_s, max(_MAX_PAUSE_S, interval_s))
            await self._pause(pause_s)

    async def look(self, client: api.LiveKitAPI) -> Round:
        """Look once, and do what is to be done.

        Raises:
            aiohttp.ClientError, api.TwirpError: the rooms could not be listed.
            StorageError: the database could not be used.
        """
        listed = await client.room.list_rooms(api.ListRoomsRequest())
        now = self._now()
        rooms = await asyncio.gather(*(self._see(client, room, now) for room in listed.rooms))
        try:
            round_ = await asyncio.to_thread(self._decide, rooms, now)
        except StorageError:
            self._blind_since, self._blind_until = self._blind_since or self._last_good_at, None
            raise
        done = await asyncio.gather(
            *(self._act(client, action, now) for action in round_.actions), return_exceptions=True
        )
        for outcome in done:
            if outcome is not None:
                raise outcome
        self._on_round(round_)
        return round_

    async def _pause(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), pause_s)
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _see(self, client: api.LiveKitAPI, room: Room, now: datetime) -> SeenRoom:
        created_at = call_start(
            creation_time_s=room.creation_time, creation_time_ms=room.creation_time_ms
        )
        is_wanted = self._policy.names(room.name, room.metadata)
        n_participants = room.num_participants
        is_new = now - created_at < _NEW
        if is_wanted and (is_new or self._policy.participants_may_opt_out):
            people = await self._people(client, room.name)
            n_participants = max(n_participants, len(people))
            if self._policy.participants_may_opt_out:
                is_wanted = all(each.attributes.get(OPT_OUT) != _OFF for each in people)
        return SeenRoom(
            room_sid=room.sid,
            room_name=room.name,
            created_at=created_at,
            is_wanted=is_wanted and n_participants >= self._policy.min_participants,
        )

    def _decide(self, rooms: Sequence[SeenRoom], now: datetime) -> Round:
        sids = [room.room_sid for room in rooms]
        with self._database.begin() as connection:
            beats = heartbeats.heartbeats_of(connection, sids)
            lives_at = self._when_alive(now)
            in_need = [
                room.room_sid
                for room in rooms
                if room.is_wanted
                and not any(beat.is_alive(lives_at) for beat in beats.get(room.room_sid, ()))
            ]
            watched = watches.watches(connection)
            new = [sid for sid in in_need if sid not in watched]
            if new:
                watches.begin(connection, new, now=now)
                watched = watches.watches(connection)
        return decide(
            rooms,
            beats,
            watched,
            now,
            report_after_s=self._policy.report_after_s,
            lives_at=lives_at,
        )

    def _when_alive(self, now: datetime) -> datetime:
        """The time at which observers must have been alive."""
        if self._blind_since is not None:
            if self._blind_until is None:  # the first look since the database is back
                self._blind_until = now + timedelta(seconds=STALE_S)
            if now < self._blind_until:
                return self._blind_since
            self._blind_since = self._blind_until = None
        self._last_good_at = now
        return now

    async def _act(self, client: api.LiveKitAPI, action: Action, now: datetime) -> None:
        match action:
            case Dispatch():
                async with self._requests:
                    await self._dispatch(client, action, now)
            case Withdraw():
                async with self._requests:
                    await self._withdraw(client, action)
            case Report():
                await self._report(client, action, now)
            case Recovered() | Settle() | Forget():
                await asyncio.to_thread(self._note, action, now)

    async def _dispatch(self, client: api.LiveKitAPI, action: Dispatch, now: datetime) -> None:
        sid, name = action.room.room_sid, action.room.room_name
        if not await asyncio.to_thread(self._claim, action, now):
            return  # another watcher does it
        try:
            is_coming = False
            for earlier in await observer_dispatches(client, name):
                made_at = datetime.fromtimestamp(earlier.state.created_at / 1e9, UTC)
                if now - made_at < _STARTING:
                    is_coming = True
                else:
                    # Nobody came of it, or who came is dead: it must not be taken for a living one.
                    await client.agent_dispatch.delete_dispatch(earlier.id, name)
            metrics.DISPATCHES.labels("on_its_way" if is_coming else "asked").inc()
            if not is_coming:
                await client.agent_dispatch.create_dispatch(
                    api.CreateAgentDispatchRequest(agent_name=AGENT_NAME, room=name)
                )
                log.info(
                    "an observer was asked for",
                    extra={"room_sid": sid, "attempt": action.watch.attempts + 1},
                )
        except _FAILURES as exc:
            metrics.DISPATCHES.labels("failed").inc()
            log.error(
                "an observer could not be asked for",
                extra={"room_sid": sid, "error": type(exc).__name__},
            )

    async def _withdraw(self, client: api.LiveKitAPI, action: Withdraw) -> None:
        name, job_id = action.room.room_name, action.job_id
        log.warning(
            "a second observer is sent away",
            extra={"room_sid": action.room.room_sid, "job_id": job_id},
        )
        try:
            for dispatch in await observer_dispatches(client, name):
                if any(job.id == job_id for job in dispatch.state.jobs):
                    await client.agent_dispatch.delete_dispatch(dispatch.id, name)
            await client.room.remove_participant(
                api.RoomParticipantIdentity(room=name, identity=observer_identity(job_id))
            )
        except _FAILURES as exc:
            log.warning(
                "a second observer was not found in the room",
                extra={"room_sid": action.room.room_sid, "error": type(exc).__name__},
            )

    async def _report(self, client: api.LiveKitAPI, action: Report, now: datetime) -> None:
        room = action.room
        # The room may have stood empty before: nothing was missed then.
        arrivals = [
            datetime.fromtimestamp(person.joined_at_ms / 1000 or person.joined_at, UTC)
            for person in await self._people(client, room.room_name)
        ]
        since = min(arrivals, default=action.since)
        since = max(since, room.created_at) if action.is_first else max(since, action.since)
        call = Call(
            room_sid=room.room_sid,
            room_name=room.room_name,
            source="livekit",
            created_at=room.created_at,
        )

        def write() -> bool:
            with self._database.begin() as connection:
                return watches.report_unobserved(connection, call, since=since, now=now)

        if await asyncio.to_thread(write):
            log.error(
                "a room is not observed",
                extra={
                    "room_sid": room.room_sid,
                    "start_s": round((since - room.created_at).total_seconds(), 3),
                },
            )

    async def _people(self, client: api.LiveKitAPI, room_name: str) -> list[ParticipantInfo]:
        """Who is in a room, but for observers; nobody, where the server does not say."""
        try:
            async with self._requests:
                found = await client.room.list_participants(
                    api.ListParticipantsRequest(room=room_name)
                )
        except _FAILURES:
            return []
        return [each for each in found.participants if not each.permission.hidden]

    def _claim(self, action: Dispatch, now: datetime) -> bool:
        with self._database.begin() as connection:
            return watches.claim_attempt(
                connection, action.watch, next_attempt_at=action.next_attempt_at, now=now
            )

    def _note(self, action: Recovered | Settle | Forget, now: datetime) -> None:
        with self._database.begin() as connection:
            match action:
                case Recovered():
                    watches.end_unobserved(connection, action.watch, until=action.until, now=now)
                case Settle():
                    watches.settle(connection, action.room_sid, now=now)
                case Forget():
                    watches.forget(connection, action.watch, now=now)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_opted_out(metadata: str) -> bool:
    try:
        record = json.loads(metadata)
    except ValueError:
        return False
    return isinstance(record, dict) and record.get(OPT_OUT) in (False, _OFF)
