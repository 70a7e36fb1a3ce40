"""The worker: takes jobs from a LiveKit server and runs one observer a room."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx
from livekit import api
from livekit.agents import (
    AgentServer,
    AutoSubscribe,
    JobContext,
    JobProcess,
    JobRequest,
    WorkerPermissions,
)
from sqlalchemy.exc import SQLAlchemyError

from realtime import metrics
from realtime.admission import Admission, Doorkeeper
from realtime.clock import CallClock, call_start
from realtime.dispatch import livekit_api
from realtime.egress import READ_TIMEOUT_S, EgressControl
from realtime.egress_requests import EgressOptions
from realtime.errors import RealtimeError, SpeechProcessError
from realtime.gathering import Gatherer
from realtime.guard import Allowed, Guard
from realtime.heartbeat import ask_for_seat, beat_forever
from realtime.identity import AGENT_NAME, OUR_AGENTS, observer_identity
from realtime.inference import METHOD, MODELS_DIR_VARIABLE, register_runner
from realtime.language_process import register_language
from realtime.ledger import CallLedger
from realtime.lister import Lister, ask_server
from realtime.live_recogniser import BUILT_IN
from realtime.observer import RoomObserver
from realtime.plugins import PluginRecogniser, load_plugin
from realtime.pump import AlertPump
from realtime.record_config import RecordConfig, RoomAccess
from realtime.record_setup import room_records
from realtime.recorder import put_away_orphans
from realtime.roster import RolePattern, Roster
from realtime.routes import Routes
from realtime.second_agent import send_agent
from realtime.speech_client import SharedRecogniser
from realtime.status_page import StatusPage
from realtime.targets import Target
from realtime.trial import LIVE_STATUSES
from realtime.vitals import VITAL, Vitals
from rules.loader import load_rulebook
from rules.rulebook import Rulebook
from rules.similarity import Embedder
from speech.embedding import embedder_for
from speech.models import find_model
from speech.vad import VadModel
from storage import recordings
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.heartbeats import Seat
from storage.manifest import Recording
from storage.objects import ObjectStore, open_objects
from storage.records import delete_records_before
from storage.versions import LockRules

log = logging.getLogger(__name__)

_VAD = "vad"
_OBSERVER = "observer"
_LEDGER = "ledger"
_PUMP = "pump"
_RECOGNISER = "recogniser"
_SECOND_AGENT = "second agent"
_EGRESS = "egress"
_HEART = "heart"
# How often the spool is searched for recordings that a dead job or a full store left there.
_SWEEP_S = 60.0
_FORGET_EVERY_S = 3600.0
# How often rows, LiveKit's list of recordings and the object store are laid side by side.
_LOOK_S = 300.0
_LOOK_BACK = timedelta(hours=24)  # what LiveKit remembers of an egress that ended
# The load of a worker is how many of its rooms are taken. By processor load, the default, a busy
# neighbour on the machine would leave a room unobserved; too much work is counted as gaps.
_FULL = 0.999
# At this part of a job's memory limit, a warning is logged.
_MEMORY_WARN_RATIO = 0.5
# How often the worker looks whether its speech process lives.
_SPEECH_CHECK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverConfig:
    """Everything that a job process needs; travels by pickle, so it holds plain data."""

    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: str = field(repr=False)
    rules: tuple[Path, ...]
    models_dir: Path
    database_url: str = field(repr=False)
    objects_url: str
    s3_endpoint_url: str | None
    spool_dir: Path
    supervisors: frozenset[str] = field(repr=False)
    roles: tuple[RolePattern, ...] = field(default=(), repr=False)
    records: RecordConfig = field(default_factory=RecordConfig)
    signing_secret: str | None = field(repr=False)
    targets: tuple[Target, ...] = ()
    allowed: Allowed = field(default_factory=Allowed)
    recorder: Literal["builtin", "egress", "none"]
    egress: EgressOptions
    max_rooms: int
    http_port: int
    metrics_dir: Path
    http_host: str = "127.0.0.1"
    drain_timeout_s: int = 1800
    job_memory_limit_mb: int = 1500
    live_stt: str = BUILT_IN
    locks: LockRules | None = None  # what is locked when it is stored

    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return load_rulebook(self.rules)

    def embedder(self, rulebook: Rulebook) -> Embedder | None:
        """The model of sentences, where a live rule needs it."""
        return embedder_for(rulebook.for_live(), self.models_dir, statuses=LIVE_STATUSES)

    def database(self) -> Database:
        """The database, open."""
        return open_database(self.database_url)

    def access(self) -> RoomAccess:
        """The LiveKit server, and who supervises in its rooms."""
        return RoomAccess(
            url=self.livekit_url,
            api_key=self.livekit_api_key,
            api_secret=self.livekit_api_secret,
            supervisors=self.supervisors,
            roles=self.roles,
            signing_secret=self.signing_secret,
        )

    def livekit(self) -> AbstractAsyncContextManager[api.LiveKitAPI]:
        """The server API, with the patience that requests to Egress need."""
        return livekit_api(
            self.livekit_url,
            self.livekit_api_key,
            self.livekit_api_secret,
            read_timeout_s=READ_TIMEOUT_S,
        )

    def objects(self) -> ObjectStore:
        """The object store."""
        return open_objects(
            self.objects_url, s3_endpoint_url=self.s3_endpoint_url, locks=self.locks
        )


def build_server(config: ObserverConfig) -> AgentServer:
    """A worker that joins rooms hidden, hears all audio, and can publish no media."""
    if config.live_stt == BUILT_IN:
        os.environ[MODELS_DIR_VARIABLE] = str(config.models_dir)
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


def prewarm(config: ObserverConfig, process: JobProcess) -> None:
    """Load what every job needs before there is a job."""
    process.userdata[_VAD] = VadModel(find_model("silero-vad", config.models_dir))


async def observe_room(config: ObserverConfig, context: JobContext) -> None:
    """Entry point of a job: join the room and listen until it ends."""
    room = context.job.room
    clock = CallClock.start(
        call_start(creation_time_s=room.creation_time, creation_time_ms=room.creation_time_ms)
    )
    rulebook = config.rulebook()
    database = await asyncio.to_thread(config.database)
    seat = await ask_for_seat(database, room.sid, context.job.id)
    if seat is not None and not seat.is_free:
        log.warning("a second observer leaves at once", extra={"room_sid": room.sid})
        context.shutdown(reason="the room is observed already")
        return
    pump: AlertPump | None = None
    if config.targets:
        pump = AlertPump(database, config.targets, guard=Guard(config.allowed))
        context.proc.userdata[_PUMP] = asyncio.create_task(pump.run(), name="alert-pump")
    ledger = CallLedger(
        database=database,
        room_sid=room.sid,
        room_name=room.name,
        call_started_at=clock.call_started_at,
        rulebook_fingerprint=rulebook.fingerprint,
        source="livekit",
        routes=Routes(config.targets, rulebook),
        on_queued=pump.wake if pump is not None else lambda: None,
        job_id=context.job.id,
    )
    recogniser = _recogniser(config, context)
    context.proc.userdata[_RECOGNISER] = recogniser
    roster = Roster(supervisors=config.supervisors, patterns=config.roles)
    observer = RoomObserver(
        room=context.room,
        room_sid=room.sid,
        room_name=room.name,
        clock=clock,
        rulebook=rulebook,
        embedder=await asyncio.to_thread(config.embedder, rulebook),
        vad=context.proc.userdata[_VAD],
        recogniser=recogniser,
        ledger=ledger,
        objects=config.objects() if config.recorder == "builtin" else None,
        spool_dir=config.spool_dir,
        roster=roster,
        records=room_records(
            config.records,
            config.access(),
            room=context.room,
            room_sid=room.sid,
            clock=clock,
            roster=roster,
            executor=context.inference_executor,
            database=database,
        ),
        signing_secret=config.signing_secret,
        on_empty=lambda: context.shutdown(reason="everybody left"),
        lost_since_s=_lost_since_s(seat),
        series=_series(seat, context.job.id),
    )
    context.proc.userdata[_OBSERVER] = observer
    context.proc.userdata[_LEDGER] = ledger
    ledger.start()
    egress = _egress_control(config, context, clock, database, ledger)
    if egress is not None:
        context.proc.userdata[_EGRESS] = egress
        egress.attach()
    context.proc.userdata[_HEART] = asyncio.create_task(
        beat_forever(ledger, observer), name="heart"
    )
    metrics.ROOMS.labels(metrics.LIVEKIT).inc()  # before what may fail: leaving takes it back
    await observer.start(lambda: context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY))
    if egress is not None:
        egress.begin()
    log.info("observing", extra={"room_sid": room.sid})
    if config.records.enabled and config.records.to_agent is not None:
        context.proc.userdata[_SECOND_AGENT] = asyncio.create_task(
            send_agent(
                config.access(),
                agent_name=config.records.to_agent,
                room_name=room.name,
                room_sid=room.sid,
                observer=observer_identity(context.job.id),
            ),
            name="second-agent",
        )


def _recogniser(config: ObserverConfig, context: JobContext) -> SharedRecogniser | PluginRecogniser:
    if config.live_stt == BUILT_IN:
        return SharedRecogniser(context.inference_executor, method=METHOD)
    return PluginRecogniser(load_plugin(config.live_stt))


def _egress_control(
    config: ObserverConfig,
    context: JobContext,
    clock: CallClock,
    database: Database,
    ledger: CallLedger,
) -> EgressControl | None:
    if config.recorder != "egress":
        return None
    return EgressControl(
        api_factory=config.livekit,
        room=context.room,
        room_sid=context.job.room.sid,
        room_name=context.job.room.name,
        clock=clock,
        database=database,
        ledger=ledger,
        options=config.egress,
        own_prefix=OUR_AGENTS,
    )


def _series(seat: Seat | None, job_id: str) -> str:
    """What sets this observer's tracks apart from those of observers before it."""
    if seat is None:
        return f"-{job_id}"
    return f"-r{seat.n_earlier + 1}" if seat.n_earlier else ""


def _lost_since_s(seat: Seat | None) -> float | None:
    """How far the one before had heard when it was lost; None where it left by itself."""
    earlier = seat.predecessor if seat is not None else None
    return None if earlier is None or earlier.left_at is not None else earlier.heard_until_s


async def leave_room(context: JobContext) -> None:
    """The session ends, and the room is still connected: say and write what is left."""
    egress: EgressControl | None = context.proc.userdata.pop(_EGRESS, None)
    if egress is not None:
        await egress.close()
    sending: asyncio.Task[None] | None = context.proc.userdata.pop(_SECOND_AGENT, None)
    if sending is not None:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    observer: RoomObserver | None = context.proc.userdata.pop(_OBSERVER, None)
    ledger: CallLedger | None = context.proc.userdata.pop(_LEDGER, None)
    if observer is not None:
        await observer.finish()
        metrics.ROOMS.labels(metrics.LIVEKIT).dec()
    heart: asyncio.Task[None] | None = context.proc.userdata.pop(_HEART, None)
    if heart is not None:
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)
    recogniser = context.proc.userdata.pop(_RECOGNISER, None)
    if recogniser is not None:
        await recogniser.aclose()
    if ledger is not None:
        ledger.left()
        await ledger.close()
    pump: asyncio.Task[None] | None = context.proc.userdata.pop(_PUMP, None)
    if pump is not None:
        # What is still queued is delivered by the worker's own pump.
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


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
        tasks = [
            asyncio.create_task(self._sweep_forever(), name="spool-sweep"),
            asyncio.create_task(self._look_forever(), name="recordings-lister"),
        ]
        if self._config.records.to_database:
            tasks.append(asyncio.create_task(self._forget_forever(), name="record-retention"))
        if self._config.targets:
            pump = AlertPump(database, self._config.targets, guard=Guard(self._config.allowed))
            tasks.append(asyncio.create_task(pump.run(), name="alert-pump"))
        try:
            async with page.serving(self._config.http_host, self._config.http_port) as port:
                on_page(port)
                await self._serve(loop, vitals)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
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

    async def _forget_forever(self) -> None:
        """Delete records that have been kept for as long as the settings say."""
        database = await asyncio.to_thread(self._config.database)
        kept = timedelta(days=self._config.records.kept_days)

        def forget() -> int:
            with database.begin() as connection:
                return delete_records_before(connection, datetime.now(UTC) - kept)

        while True:
            try:
                n = await asyncio.to_thread(forget)
                if n:
                    log.info("old records were deleted", extra={"count": n})
            except (StorageError, SQLAlchemyError) as exc:
                log.error("old records cannot be deleted", extra={"error": type(exc).__name__})
            await asyncio.sleep(_FORGET_EVERY_S)

    async def _sweep_forever(self) -> None:
        # What was recorded before the recorder was switched is put away all the same.
        if self._config.recorder != "builtin" and not self._config.spool_dir.exists():
            return
        objects = self._config.objects()
        database = await asyncio.to_thread(self._config.database)

        def keep(recording: Recording) -> None:
            with database.begin() as connection:
                recordings.save_recording(connection, recording)

        while True:
            try:
                n = await asyncio.to_thread(put_away_orphans, self._config.spool_dir, objects, keep)
                if n:
                    log.info("recordings were put away late", extra={"n_recordings": n})
            except (StorageError, OSError) as exc:
                log.error("the spool cannot be emptied", extra={"error": type(exc).__name__})
            await asyncio.sleep(_SWEEP_S)

    async def _look_forever(self) -> None:
        """Find what webhooks missed of Egress's recordings."""
        if self._config.recorder != "egress":
            return
        database = await asyncio.to_thread(self._config.database)
        lister = Lister(database, self._config.objects(), self._config.egress)
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                async with self._config.livekit() as client:
                    server = await ask_server(client)
                since = datetime.now(UTC) - _LOOK_BACK
                listed = await asyncio.to_thread(lister.look, server, since=since)
            except (StorageError, RealtimeError) as exc:
                log.error("recordings cannot be listed", extra={"error": type(exc).__name__})
                continue
            if listed.n_news:
                log.info("webhooks missed some recordings", extra={"count": listed.n_news})
            if listed.oddities:
                log.warning(
                    "something is wrong with recordings; `earmark recordings reconcile` says what",
                    extra={"count": len(listed.oddities)},
                )


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
