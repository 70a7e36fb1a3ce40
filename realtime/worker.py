"""The worker: takes jobs from a LiveKit server and runs one observer a room."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
from collections.abc import Callable

import httpx
from livekit.agents import AgentServer, JobRequest, WorkerPermissions

from realtime import metrics
from realtime.admission import Admission, Doorkeeper
from realtime.chores import Chores
from realtime.errors import SpeechProcessError
from realtime.gathering import Gatherer
from realtime.guard import Guard
from realtime.identity import AGENT_NAME, observer_identity
from realtime.inference import MODELS_DIR_VARIABLE, SECOND_EAR_VARIABLE, register_runner
from realtime.job import leave_room, observe_room, prewarm
from realtime.language_process import register_language
from realtime.live_recogniser import BUILT_IN
from realtime.observer_config import ObserverConfig
from realtime.pump import AlertPump
from realtime.status_page import StatusPage
from realtime.vitals import VITAL, Vitals

log = logging.getLogger(__name__)

# The load of a worker is how many of its rooms are taken. By processor load, the default, a busy
# neighbour on the machine would leave a room unobserved; too much work is counted as gaps.
_FULL = 0.999
# At this part of a job's memory limit, a warning is logged.
_MEMORY_WARN_RATIO = 0.5
# How often the worker looks whether its speech process lives.
_SPEECH_CHECK_S = 5.0


def build_server(config: ObserverConfig) -> AgentServer:
    """A worker that joins rooms hidden, hears all audio, and can publish no media."""
    if config.live_stt == BUILT_IN:
        os.environ[MODELS_DIR_VARIABLE] = str(config.models_dir)
        os.environ[SECOND_EAR_VARIABLE] = "1" if config.second_ear else ""
        register_runner()
    if config.records.enabled:
        register_language()
    server = AgentServer(
        ws_url=config.livekit_url,
        api_key=config.livekit_api_key,
        api_secret=config.livekit_api_secret,
        permissions=WorkerPermissions(
            can_publish=False,
            can_subscribe=True,
            can_publish_data=True,
            can_update_metadata=False,
            hidden=True,
        ),
        setup_fnc=functools.partial(prewarm, config),
        job_memory_warn_mb=config.job_memory_limit_mb * _MEMORY_WARN_RATIO,
        job_memory_limit_mb=config.job_memory_limit_mb,
        drain_timeout=config.drain_timeout_s,
        num_idle_processes=1,
        initialize_process_timeout=60.0,
        # livekit-agents' own page; ours asks it, and is the one that is published.
        host="127.0.0.1",
        port=0,
        preload_modules=["realtime.observer"],
        load_fnc=lambda server: len(server.active_jobs) / config.max_rooms,
        load_threshold=_FULL,
    )

    doorkeeper = Doorkeeper(config.max_rooms)

    async def on_request(request: JobRequest) -> None:
        running = [job.job.room.sid for job in server.active_jobs]
        match doorkeeper.ask(request.room.sid, running):
            case Admission.FULL:
                log.warning(
                    "a room was refused: the worker is full", extra={"n_rooms": len(running)}
                )
                metrics.REFUSED.labels("full").inc()
                await request.reject(terminate=False)  # another worker may have room
            case Admission.SECOND:
                log.warning("a second observer was refused", extra={"room_sid": request.room.sid})
                metrics.REFUSED.labels("second").inc()
                await request.reject(terminate=True)
            case Admission.ADMITTED:
                with doorkeeper.starting(request.room.sid):
                    await request.accept(
                        identity=observer_identity(request.id), name="Earmark observer"
                    )

    server.rtc_session(
        functools.partial(observe_room, config),
        agent_name=AGENT_NAME,
        on_request=on_request,
        on_session_end=leave_room,
    )
    return server


class ObserverWorker:
    """Runs the worker and, beside it, what belongs to no single room."""

    def __init__(self, config: ObserverConfig) -> None:
        self._config = config
        self._server = build_server(config)
        self._stopping = asyncio.Event()

    async def run(
        self,
        *,
        on_registered: Callable[[], None] | None = None,
        on_page: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Serve until a signal asks to stop; calls that are under way are heard to their end.

        Args:
            on_registered: Called once the LiveKit server knows the worker.
            on_page: Told the port of the status page.

        Raises:
            OSError: the port of the status page is taken.
            SpeechProcessError: the speech process ended, so nothing can be heard any more.
            Exception: what livekit-agents raises when the server stays away.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        if on_registered is not None:
            self._server.on("worker_registered", lambda *_: on_registered())
        database = await asyncio.to_thread(self._config.database)
        vitals = Vitals(self._server, database, max_rooms=self._config.max_rooms)
        page = StatusPage(
            checks=vitals.checks(),
            vital=VITAL,
            render=Gatherer(self._config.metrics_dir, own=[vitals]).render,
        )
        chores = Chores(self._config)
        chores.start()
        pumping: asyncio.Task[None] | None = None
        if self._config.targets:
            pump = AlertPump(database, self._config.targets, guard=Guard(self._config.allowed))
            pumping = asyncio.create_task(pump.run(), name="alert-pump")
        try:
            async with page.serving(self._config.http_host, self._config.http_port) as port:
                on_page(port)
                await self._serve(loop, vitals)
        finally:
            await chores.close()
            if pumping is not None:
                pumping.cancel()
                await asyncio.gather(pumping, return_exceptions=True)
            database.close()

    async def _serve(self, loop: asyncio.AbstractEventLoop, vitals: Vitals) -> None:
        serving = asyncio.create_task(self._server.run(), name="agent-server")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop-signal")
        speech_lost = asyncio.create_task(_until_speech_is_lost(vitals), name="speech-check")
        asked_to_end: set[asyncio.Task[object]] = {serving, stopping, speech_lost}
        try:
            await asyncio.wait(asked_to_end, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            elif speech_lost.done():
                raise SpeechProcessError("the speech process has ended; start the worker anew")
            else:
                await self._drain(loop)
        finally:
            for task in (stopping, speech_lost):
                task.cancel()
            await asyncio.gather(stopping, speech_lost, return_exceptions=True)
            await self._server.aclose()
            await asyncio.gather(serving, return_exceptions=True)

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        log.info("no new rooms; waiting for calls to end")
        drained = asyncio.ensure_future(self._server.drain())
        # A second signal does not wait for the calls; their jobs still write what they have.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, drained.cancel)
        await asyncio.gather(drained, return_exceptions=True)


async def _until_speech_is_lost(vitals: Vitals) -> None:
    """Return once the speech process has ended: livekit-agents starts no other."""
    was_there = False
    while True:
        await asyncio.sleep(_SPEECH_CHECK_S)
        try:
            problem = await vitals.speech()
        except httpx.HTTPError:
            continue  # a busy page says nothing about the speech process
        if problem is None:
            was_there = True
        elif was_there:
            log.error("the speech process has ended")
            return
