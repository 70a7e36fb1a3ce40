"""The observer of one room: who is there, who is heard, what is recorded, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc

from realtime.clock import CallClock
from realtime.ear import Ear
from realtime.errors import RecorderError
from realtime.ledger import CallLedger
from realtime.listener import AsyncRecogniser, Listener
from realtime.recorder import TrackInfo, TrackRecorder, put_away
from realtime.roster import role_of
from realtime.session import CallSession
from realtime.supervisors import SupervisorSink
from rules.engine import Engine
from rules.rulebook import Rulebook
from rules.types import Participant, Role, Span
from speech.audio import SAMPLE_RATE_HZ
from speech.vad import LIVE, VadModel
from storage.errors import StorageError
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

_CHUNK_MS = 64
# Frames that LiveKit's stream keeps for a reader that is late: about ten seconds.
_STREAM_CAPACITY = 160
# A track that delivers nothing for so long has gone silent; its speech in progress is settled.
_SILENT_AFTER_S = 1.0
# An unmuted track that delivers nothing for so long is deaf, and the call not fully heard.
_DEAF_AFTER_S = 5.0
_TICK_S = 0.25
# How long a stream is read on after its track has gone, frame by frame.
_DRAIN_S = 0.1
# How long the observer stays in a room where nobody is left: people do reconnect.
_EMPTY_AFTER_S = 15.0

TrackKey = tuple[str, str]  # participant sid, track sid: an identity can come back within a tick


@dataclass(slots=True, kw_only=True)
class _Heard:
    """One track that is listened to. Its fields are changed by its reader task and the ticker."""

    participant: rtc.RemoteParticipant
    publication: rtc.RemoteTrackPublication
    track_id: str  # of this part of the track; no personal data
    stream: rtc.AudioStream
    last_frame_s: float  # call clock; before the first frame, when the track was subscribed
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    listener: Listener | None = None  # from the first frame on, which anchors it on the clock
    recorder: TrackRecorder | None = None
    silent: bool = False  # nothing has come for a while
    deaf_since_s: float | None = None

    @property
    def identity(self) -> str:
        return self.participant.identity


class RoomObserver:
    """Listens to every audio track of one room.

    Args:
        room: Not yet connected.
        room_sid: The call.
        room_name: For the recordings' manifests.
        clock: The call clock.
        rulebook: The rules in force.
        vad: Speech detection weights.
        recogniser: Gives words.
        ledger: Keeps what must last.
        objects: Where recordings go; None records nothing.
        spool_dir: Folder of unfinished recordings.
        supervisors: Identities that are supervisors by the settings.
        signing_secret: Signs data messages.
        on_empty: Called once when everybody has left.
    """

    def __init__(
        self,
        *,
        room: rtc.Room,
        room_sid: str,
        room_name: str,
        clock: CallClock,
        rulebook: Rulebook,
        vad: VadModel,
        recogniser: AsyncRecogniser,
        ledger: CallLedger,
        objects: ObjectStore | None,
        spool_dir: Path,
        supervisors: frozenset[str],
        signing_secret: str | None,
        on_empty: Callable[[], None],
    ) -> None:
        self._room = room
        self._room_sid = room_sid
        self._room_name = room_name
        self._clock = clock
        self._vad = vad
        self._recogniser = recogniser
        self._ledger = ledger
        self._objects = objects
        self._spool_dir = spool_dir
        self._supervisors = supervisors
        self._signing_secret = signing_secret
        self._on_empty = on_empty
        self._engine = Engine(rulebook)
        self._session: CallSession | None = None
        self._sink: SupervisorSink | None = None
        self._heard: dict[TrackKey, _Heard] = {}
        self._n_parts: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._empty_since_s: float | None = None
        self._handlers: dict[str, Callable[..., None]] = {
            "participant_connected": self._on_participant,
            "participant_disconnected": self._on_participant_gone,
            "participant_attributes_changed": lambda _changed, p: self._on_participant(p),
            "participant_metadata_changed": lambda p, _old, _new: self._on_participant(p),
            "track_subscribed": self._on_track,
            "track_unsubscribed": lambda _track, pub, p: self._on_track_gone(pub, p),
            "track_unpublished": self._on_track_gone,
            "reconnected": self._on_reconnected,
        }

    async def start(self, connect: Callable[[], Awaitable[None]]) -> None:
        """Join the room and begin to listen.

        Args:
            connect: Joins the room; handlers are in place before it is called, so that no track
                that is already there goes unheard.
        """
        for event, handler in self._handlers.items():
            self._room.on(event, handler)  # type: ignore[arg-type]
        await connect()
        self._sink = SupervisorSink(self._room.local_participant, secret=self._signing_secret)
        self._session = CallSession(
            room_sid=self._room_sid,
            engine=self._engine,
            clock=self._clock,
            sinks=(self._sink, self._ledger),
        )
        await self._ledger.joined(self._clock.now_s())
        for participant in self._room.remote_participants.values():
            self._on_participant(participant)
            for publication in participant.track_publications.values():
                if publication.track is not None:
                    self._on_track(publication.track, publication, participant)
        self._ticker = asyncio.create_task(self._tick_forever(), name="observer-ticker")

    async def finish(self) -> None:
        """Settle everything while the room is still there: words, alerts, recordings, rows."""
        for event, handler in self._handlers.items():
            self._room.off(event, handler)  # type: ignore[arg-type]
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        for key in tuple(self._heard):
            self._stop(key)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.end(self._clock.now_s())
        await self._ledger.ended(self._clock.now_s())

    # Handlers are called by LiveKit without being awaited: they only start held tasks.

    def _hold(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "a part of the observer failed",
                extra={
                    "room_sid": self._room_sid,
                    "task": task.get_name(),
                    "error": type(error).__name__,
                },
            )

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        self._hold(self._welcome(participant), "observer-participant")

    async def _welcome(self, participant: rtc.RemoteParticipant) -> None:
        if self._session is None:  # before the room is joined; `start` goes through everybody
            return
        role = self._role_of(participant)
        if self._sink is not None:
            if role is Role.SUPERVISOR:
                await self._sink.joined(participant.identity)
            else:
                self._sink.left(participant.identity)
        await self._session.participant(
            Participant(identity=participant.identity, role=role), sid=participant.sid
        )
        await self._ledger.participant(
            identity=participant.identity,
            role=role,
            kind=rtc.ParticipantKind.Name(participant.kind),
            joined_s=self._clock.now_s(),
        )

    def _role_of(self, participant: rtc.RemoteParticipant) -> Role | None:
        return role_of(
            identity=participant.identity,
            attributes=participant.attributes,
            metadata=participant.metadata,
            is_agent_kind=participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT,
            supervisors=self._supervisors,
        )

    def _on_participant_gone(self, participant: rtc.RemoteParticipant) -> None:
        # LiveKit may send no unsubscribe for a participant who left.
        for key in [key for key in self._heard if key[0] == participant.sid]:
            self._stop(key)
        if self._sink is not None:
            self._sink.left(participant.identity)
        self._hold(
            self._ledger.participant_left(participant.identity, self._clock.now_s()),
            "observer-participant-left",
        )

    def _on_track(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if self._session is None or track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        key = (participant.sid, publication.sid)
        if publication.encryption_type != rtc.EncryptionType.NONE:
            # Without the key this is noise; listening to it would report "clean" for nothing.
            self._hold(
                self._ledger.gap(
                    identity=participant.identity, kind="encrypted", start_s=self._clock.now_s()
                ),
                "observer-encrypted",
            )
            return
        if key in self._heard:  # subscribed anew after a reconnect: the old stream is dead
            self._stop(key)
        self._heard[key] = heard = self._subscribe(track, publication, participant)
        self._hold(self._read(heard), "observer-reader")

    def _subscribe(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> _Heard:
        part = self._n_parts[publication.sid] = self._n_parts.get(publication.sid, 0) + 1
        return _Heard(
            participant=participant,
            publication=publication,
            track_id=publication.sid if part == 1 else f"{publication.sid}-{part}",
            stream=rtc.AudioStream.from_track(
                track=track,
                sample_rate=SAMPLE_RATE_HZ,
                num_channels=1,
                frame_size_ms=_CHUNK_MS,
                capacity=_STREAM_CAPACITY,
            ),
            last_frame_s=self._clock.now_s(),
        )

    async def _read(self, heard: _Heard) -> None:
        frames = aiter(heard.stream)
        stopping = asyncio.ensure_future(heard.stopping.wait())
        frame: asyncio.Future[rtc.AudioFrameEvent] = asyncio.ensure_future(anext(frames))
        try:
            while not stopping.done():
                await asyncio.wait(
                    {frame, stopping}, timeout=_SILENT_AFTER_S, return_when=asyncio.FIRST_COMPLETED
                )
                if frame.done():
                    await self._take(heard, frame.result().frame)
                    frame = asyncio.ensure_future(anext(frames))
                elif not stopping.done():
                    await self._fell_silent(heard)
            # LiveKit throws away what is queued when a stream is closed: read it first.
            for _ in range(_STREAM_CAPACITY):
                await asyncio.wait({frame}, timeout=_DRAIN_S)
                if not frame.done():
                    break
                await self._take(heard, frame.result().frame)
                frame = asyncio.ensure_future(anext(frames))
        except StopAsyncIteration:
            pass  # the stream ended by itself
        finally:
            stopping.cancel()
            frame.cancel()
            await self._settle(heard)

    async def _fell_silent(self, heard: _Heard) -> None:
        if heard.listener is not None and not heard.silent:
            heard.silent = True
            await heard.listener.pause()

    async def _take(self, heard: _Heard, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, dtype=np.int16).astype(np.float32) / np.float32(32768)
        now_s = self._clock.now_s()
        began_s = max(0.0, now_s - len(samples) / SAMPLE_RATE_HZ)
        if heard.listener is None:
            heard.listener = self._listener(heard, anchor_s=began_s)
            heard.listener.start()
        elif heard.silent:
            # Packets were missing. Silence stands for them, so that positions stay on the clock.
            missing_s = began_s - heard.listener.ear.position_s
            await heard.listener.put_hole(max(0, int(missing_s * SAMPLE_RATE_HZ)))
        heard.silent = False
        heard.last_frame_s = now_s
        await self._hears_again(heard)
        await heard.listener.put(samples)

    def _listener(self, heard: _Heard, *, anchor_s: float) -> Listener:
        assert self._session is not None  # noqa: S101 - narrows for the type checker
        heard.recorder = self._recorder(heard, anchor_s)
        return Listener(
            ear=Ear(
                speaker=heard.identity,
                track_id=heard.track_id,
                anchor_s=anchor_s,
                model=self._vad,
                options=LIVE,
            ),
            recogniser=self._recogniser,
            session=self._session,
            on_lost=self._note_lost,
            writer=heard.recorder,
        )

    def _recorder(self, heard: _Heard, anchor_s: float) -> TrackRecorder | None:
        if self._objects is None:
            return None
        info = TrackInfo(
            room_sid=self._room_sid,
            room_name=self._room_name,
            identity=heard.identity,
            track_id=heard.track_id,
            track_source=rtc.TrackSource.Name(heard.publication.source),
            call_started_at=self._clock.call_started_at,
            started_at=self._clock.at(anchor_s),
        )
        try:
            return TrackRecorder(self._spool_dir, info)
        except RecorderError:
            # The call is still heard; the audit will find the recording missing and say so.
            log.error(
                "a track is heard but not recorded",
                extra={"room_sid": self._room_sid, "track_id": heard.track_id},
            )
            return None

    async def _settle(self, heard: _Heard) -> None:
        await heard.stream.aclose()
        try:
            if heard.listener is not None:
                await heard.listener.close()
        finally:
            await self._hears_again(heard)
            if heard.recorder is not None:
                await self._put_away(heard.recorder)

    async def _hears_again(self, heard: _Heard) -> None:
        """End the gap of a deaf track, because audio came or because the track is gone."""
        if heard.deaf_since_s is None:
            return
        start_s, heard.deaf_since_s = heard.deaf_since_s, None
        await self._ledger.gap(
            identity=heard.identity, kind="deaf_track", start_s=start_s, end_s=self._clock.now_s()
        )

    async def _put_away(self, recorder: TrackRecorder) -> None:
        assert self._objects is not None  # noqa: S101 - a recorder exists only with a store
        await asyncio.to_thread(recorder.finish)
        try:
            await asyncio.to_thread(put_away, recorder, self._objects, self._ledger.recording)
        except (StorageError, OSError):
            log.error(
                "a recording waits in the spool: the object store failed",
                extra={"room_sid": self._room_sid, "track_id": recorder.info.track_id},
            )

    def _on_track_gone(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._stop((participant.sid, publication.sid))

    def _stop(self, key: TrackKey) -> None:
        heard = self._heard.pop(key, None)
        if heard is not None:
            heard.stopping.set()

    def _on_reconnected(self) -> None:
        # After a full reconnect subscriptions may be gone without a sign: ask for them again.
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                if publication.kind == rtc.TrackKind.KIND_AUDIO:
                    publication.set_subscribed(True)

    async def _note_lost(self, ear: Ear, span: Span, reason: str) -> None:
        log.warning(
            "a piece of speech was given up",
            extra={"room_sid": self._room_sid, "track_id": ear.track_id, "reason": reason},
        )
        await self._ledger.gap(
            identity=ear.speaker,
            kind="overload",
            start_s=span.start_s,
            end_s=span.end_s,
            detail=reason,
        )

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            await self._tick()

    async def _tick(self) -> None:
        now_s = self._clock.now_s()
        for heard in self._heard.values():
            silent_s = now_s - heard.last_frame_s
            if (
                silent_s > _DEAF_AFTER_S
                and heard.deaf_since_s is None
                and not heard.publication.muted
            ):
                heard.deaf_since_s = heard.last_frame_s
                log.warning(
                    "a track delivers no audio",
                    extra={"room_sid": self._room_sid, "track_id": heard.track_id},
                )
                heard.publication.set_subscribed(True)
            if heard.silent and heard.listener is not None:
                heard.listener.ear.silent_until_s = max(0.0, now_s - _SILENT_AFTER_S)
        if self._session is not None:
            await self._session.advance(max(0.0, now_s - _SILENT_AFTER_S))
        if self._room.remote_participants:
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = now_s
        elif now_s - self._empty_since_s > _EMPTY_AFTER_S:
            self._empty_since_s = now_s
            self._on_empty()


def call_start(*, creation_time_s: int, creation_time_ms: int) -> datetime:
    """When a room was created, from the two fields that LiveKit has for it."""
    if creation_time_ms:
        return datetime.fromtimestamp(creation_time_ms / 1000, UTC)
    if creation_time_s:
        return datetime.fromtimestamp(creation_time_s, UTC)
    return datetime.now(UTC)  # a server that does not say: the call begins when it is observed
