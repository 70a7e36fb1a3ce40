"""A job: one room's observer in a process of its own, from its dispatch to its last row."""

from __future__ import annotations

import asyncio
import logging

from livekit.agents import AutoSubscribe, JobContext, JobProcess

from realtime import metrics
from realtime.clock import CallClock, call_start
from realtime.egress import EgressControl
from realtime.guard import Guard
from realtime.heartbeat import ask_for_seat, beat_forever
from realtime.identity import OUR_AGENTS, observer_identity
from realtime.inference import METHOD
from realtime.ledger import CallLedger
from realtime.live_recogniser import BUILT_IN
from realtime.observer import RoomObserver
from realtime.observer_config import ObserverConfig
from realtime.plugins import PluginRecogniser, load_plugin
from realtime.pump import AlertPump
from realtime.record_setup import room_records
from realtime.roster import Roster
from realtime.routes import Routes
from realtime.second_agent import send_agent
from realtime.speech_client import SharedRecogniser
from speech.models import find_model
from speech.vad import VadModel
from storage.database import Database
from storage.heartbeats import Seat

log = logging.getLogger(__name__)

_VAD = "vad"
_OBSERVER = "observer"
_LEDGER = "ledger"
_PUMP = "pump"
_RECOGNISER = "recogniser"
_SECOND_AGENT = "second agent"
_EGRESS = "egress"
_HEART = "heart"


def prewarm(config: ObserverConfig, process: JobProcess) -> None:
    """Load what every job needs before there is a job."""
    process.userdata[_VAD] = VadModel(find_model("silero-vad", config.models_dir))


async def observe_room(config: ObserverConfig, context: JobContext) -> None:
    """Entry point of a job: join the room and listen until it ends."""
    room = context.job.room
    clock = CallClock.start(
        call_start(creation_time_s=room.creation_time, creation_time_ms=room.creation_time_ms)
    )
    database = await asyncio.to_thread(config.database)
    seat = await ask_for_seat(database, room.sid, context.job.id)
    if seat is not None and not seat.is_free:
        log.warning("a second observer leaves at once", extra={"room_sid": room.sid})
        context.shutdown(reason="the room is observed already")
        return
    # Each call has the rules that are in force when it begins, to its end.
    rulebook = await asyncio.to_thread(config.rulebook, database)
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
        return SharedRecogniser(
            context.inference_executor, method=METHOD, has_second=config.second_ear
        )
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
