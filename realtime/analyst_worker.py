"""The analyst's worker: takes jobs from a LiveKit server and runs one analyst a room."""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit.agents import (
    AgentServer,
    AutoSubscribe,
    JobContext,
    JobRequest,
    WorkerPermissions,
)

from realtime.analyst_llm import LlmAnalyst, LlmConfig
from realtime.clock import CallClock, call_start
from realtime.dispatch import livekit_api
from realtime.forwarders.supervisors import SupervisorForwarder
from realtime.identity import AGENT_NAME, ANALYST_NAME, analyst_identity
from realtime.language import ThreadLanguage
from realtime.record_buffer import RecordBuffer
from realtime.record_config import RecordConfig, RoomAccess
from realtime.record_flow import RecordFlow
from realtime.record_setup import forwarders_of
from realtime.room_analyst import RoomAnalyst, observers_in
from realtime.roster import Roster
from storage.database import open_database

log = logging.getLogger(__name__)

_ANALYST = "analyst"
_FULL = 0.999
_JOB_MEMORY_WARN_MB = 400
_JOB_MEMORY_LIMIT_MB = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalystConfig:
    """Everything that a job process needs; travels by pickle, so it holds plain data."""

    access: RoomAccess
    records: RecordConfig
    database_url: str = field(repr=False)
    llm: LlmConfig | None
    every_s: float
    max_rooms: int
    http_port: int


def build_analyst_server(config: AnalystConfig) -> AgentServer:
    """A worker that joins rooms hidden, hears nothing, and can publish no media."""
    server = AgentServer(
        ws_url=config.access.url,
        api_key=config.access.api_key,
        api_secret=config.access.api_secret,
        permissions=WorkerPermissions(
            can_publish=False,
            can_subscribe=True,
            can_publish_data=True,
            can_update_metadata=False,
            hidden=True,
        ),
        job_memory_warn_mb=_JOB_MEMORY_WARN_MB,
        job_memory_limit_mb=_JOB_MEMORY_LIMIT_MB,
        num_idle_processes=1,
        initialize_process_timeout=60.0,
        host="127.0.0.1",
        port=config.http_port,
        preload_modules=["realtime.room_analyst"],
        load_fnc=lambda server: len(server.active_jobs) / config.max_rooms,
        load_threshold=_FULL,
    )

    async def on_request(request: JobRequest) -> None:
        busy = server.active_jobs
        if len(busy) >= config.max_rooms:
            log.warning("a room was refused: the worker is full", extra={"n_rooms": len(busy)})
            await request.reject()
        elif any(job.job.room.sid == request.room.sid for job in busy):
            log.warning("a second analyst was refused", extra={"room_sid": request.room.sid})
            await request.reject()
        else:
            await request.accept(identity=analyst_identity(request.id), name="Earmark analyst")

    server.rtc_session(
        functools.partial(analyse_room, config),
        agent_name=ANALYST_NAME,
        on_request=on_request,
        on_session_end=leave_room,
    )
    return server


async def analyse_room(config: AnalystConfig, context: JobContext) -> None:
    """Entry point of a job: join the room and analyse it until it ends."""
    room, access = context.job.room, config.access
    if access.signing_secret is None:
        raise ValueError("the analyst needs a signing secret")
    clock = CallClock.start(
        call_start(creation_time_s=room.creation_time, creation_time_ms=room.creation_time_ms)
    )
    database = await asyncio.to_thread(open_database, config.database_url)
    buffer = RecordBuffer()
    receivers = SupervisorForwarder(
        context.room,
        room_sid=room.sid,
        secret=access.signing_secret,
        buffer=buffer,
        unmasked=False,
    )
    others = forwarders_of(config.records, access=access, database=database, room_sid=room.sid)
    roster = Roster(supervisors=access.supervisors, patterns=access.roles)

    async def observers() -> tuple[str, ...]:
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            return await observers_in(client, room.name, AGENT_NAME)

    analyst = RoomAnalyst(
        room=context.room,
        room_sid=room.sid,
        identity=analyst_identity(context.job.id),
        secret=access.signing_secret,
        observers=observers,
        roster=roster,
        flow=RecordFlow(
            room_sid=room.sid,
            clock=clock,
            roster=roster,
            language=ThreadLanguage(),  # never asked: an analysis is in words of our own
            forwarders=(receivers, *others),
            buffer=buffer,
        ),
        receivers=receivers,
        llm=LlmAnalyst(config.llm) if config.llm is not None else None,
        every_s=config.every_s,
        on_empty=lambda: context.shutdown(reason="everybody left"),
    )
    context.proc.userdata[_ANALYST] = analyst
    await analyst.start(lambda: context.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE))
    log.info("analysing", extra={"room_sid": room.sid})


async def leave_room(context: JobContext) -> None:
    """The session ends: tell the last analysis."""
    analyst: RoomAnalyst | None = context.proc.userdata.pop(_ANALYST, None)
    if analyst is not None:
        await analyst.finish()


class AnalystWorker:
    """Runs the worker until a signal asks to stop."""

    def __init__(self, config: AnalystConfig) -> None:
        self._server = build_analyst_server(config)

    async def run(self, *, on_registered: Callable[[], None] | None = None) -> None:
        """Serve; calls that are under way are analysed to their end.

        Args:
            on_registered: Called once the LiveKit server knows the worker.

        Raises:
            Exception: what livekit-agents raises when the server stays away.
        """
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if on_registered is not None:
            self._server.on("worker_registered", lambda *_: on_registered())
        serving = asyncio.create_task(self._server.run(), name="agent-server")
        stopping = asyncio.create_task(stop.wait(), name="stop-signal")
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            else:
                drained = asyncio.ensure_future(self._server.drain())
                # A second signal does not wait for the calls.
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, drained.cancel)
                await asyncio.gather(drained, return_exceptions=True)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            await self._server.aclose()
            await asyncio.gather(serving, return_exceptions=True)
