"""One audio track of a room: read to its end, heard, recorded, and watched for silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from livekit import rtc

from realtime import metrics
from realtime.clock import CallClock
from realtime.ear import Ear
from realtime.errors import RecorderError
from realtime.ledger import CallLedger
from realtime.listener import Listener
from realtime.recognition import AsyncRecogniser
from realtime.recorder import TrackInfo, TrackRecorder, put_away
from realtime.session import CallSession
from rules.types import Span
from speech.audio import SAMPLE_RATE_HZ
from speech.quality import Quality, QualityMeter
from speech.vad import LIVE, VadModel
from storage.errors import StorageError
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

_CHUNK_MS = 64
# Frames that LiveKit's stream keeps for a reader that is late: about ten seconds.
_STREAM_CAPACITY = 160
# A track that delivers nothing for so long has gone silent; its speech in progress is settled.
SILENT_AFTER_S = 1.0
# An unmuted track that delivers nothing for so long is deaf, and the call not fully heard.
_DEAF_AFTER_S = 5.0
# How long a stream is read on after its track has gone, frame by frame.
_DRAIN_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What all tracks of one call share."""

    room_sid: str
    room_name: str = field(repr=False)
    clock: CallClock
    session: CallSession
    vad: VadModel
    recogniser: AsyncRecogniser
    ledger: CallLedger
    objects: ObjectStore | None  # None records nothing
    spool_dir: Path
    on_quality: Callable[[str, str, Quality], None]  # identity, track id, how it sounds


class ObservedTrack:
    """Listens to one subscription of one track.

    Args:
        listening: What all tracks of the call share.
        track: Audio, subscribed.
        publication: The track's publication.
        identity: Who publishes it.
        track_id: Names what comes of it; no personal data.
        lost_since_s: Call-clock position of the last sound before this track was subscribed anew;
            None if it is new.
    """

    def __init__(
        self,
        listening: Listening,
        *,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        identity: str,
        track_id: str,
        lost_since_s: float | None = None,
    ) -> None:
        self._lost_since_s = lost_since_s
        self._shared = listening
        self._publication = publication
        self._identity = identity
        self._track_id = track_id
        self._stream = rtc.AudioStream.from_track(
            track=track,
            sample_rate=SAMPLE_RATE_HZ,
            num_channels=1,
            frame_size_ms=_CHUNK_MS,
            capacity=_STREAM_CAPACITY,
        )
        self._stopping = asyncio.Event()
        # Made with the first frame, which anchors them on the clock.
        self._listener: Listener | None = None
        self._recorder: TrackRecorder | None = None
        self._last_frame_s = listening.clock.now_s()
        self._quality = QualityMeter()
        self._silent = False  # nothing has come for a while
        self._muted_when_silent = False
        self._deaf_since_s: float | None = None

    @property
    def is_deaf(self) -> bool:
        """Whether audio should come and does not."""
        return self._deaf_since_s is not None

    @property
    def last_frame_s(self) -> float:
        """Call-clock position of the last sound."""
        return self._last_frame_s

    @property
    def n_waiting(self) -> tuple[int, int]:
        """How many chunks of audio and pieces of speech wait."""
        return (0, 0) if self._listener is None else self._listener.n_waiting

    def stop(self) -> None:
        """The track has gone: let `run` come to its end."""
        self._stopping.set()

    async def run(self) -> None:
        """Read the track until it ends or `stop` is called, then settle everything of it."""
        frames = aiter(self._stream)
        stopping = asyncio.ensure_future(self._stopping.wait())
        frame: asyncio.Future[rtc.AudioFrameEvent] = asyncio.ensure_future(anext(frames))
        metrics.TRACKS.labels(metrics.LIVEKIT).inc()
        try:
            while not stopping.done():
                either: set[asyncio.Future[object]] = {frame, stopping}  # type: ignore[arg-type]
                await asyncio.wait(
                    either, timeout=SILENT_AFTER_S, return_when=asyncio.FIRST_COMPLETED
                )
                if frame.done():
                    await self._take(frame.result().frame)
                    frame = asyncio.ensure_future(anext(frames))
                elif not stopping.done():
                    await self._fall_silent()
            # LiveKit throws away what is queued when a stream is closed: read it first.
            for _ in range(_STREAM_CAPACITY):
                await asyncio.wait({frame}, timeout=_DRAIN_S)
                if not frame.done():
                    break
                await self._take(frame.result().frame)
                frame = asyncio.ensure_future(anext(frames))
        except StopAsyncIteration:
            pass  # the stream ended by itself
        finally:
            metrics.TRACKS.labels(metrics.LIVEKIT).dec()
            stopping.cancel()
            frame.cancel()
            await self._settle()

    def watch(self, now_s: float) -> None:
        """Notice a track that delivers nothing, and ask LiveKit for it again."""
        if (
            now_s - self._last_frame_s > _DEAF_AFTER_S
            and self._deaf_since_s is None
            and not self._publication.muted
        ):
            self._deaf_since_s = self._last_frame_s
            log.warning("a track delivers no audio", extra=self._ids())
            self._publication.set_subscribed(True)
        if self._silent and self._listener is not None:
            self._listener.ear.silent_until_s = max(0.0, now_s - SILENT_AFTER_S)

    async def _take(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, dtype=np.int16).astype(np.float32) / np.float32(32768)
        now_s = self._shared.clock.now_s()
        began_s = max(0.0, now_s - len(samples) / SAMPLE_RATE_HZ)
        if self._listener is None:
            self._end_loss(began_s)
            self._listener = self._begin(began_s)
        elif self._silent:
            # Packets were missing. Silence stands for them, so that positions stay on the clock.
            missing_s = began_s - self._listener.ear.position_s
            n_missing = max(0, int(missing_s * SAMPLE_RATE_HZ))
            if not self._muted_when_silent:
                self._quality.missing(n_missing)
            await self._listener.put_hole(n_missing)
        self._silent = False
        self._last_frame_s = now_s
        self._end_gap()
        if not self._publication.muted:  # a muted track delivers zeros
            self._tell_quality(self._quality.push(samples))
        await self._listener.put(samples)

    def _tell_quality(self, quality: Quality | None) -> None:
        if quality is not None:
            self._shared.on_quality(self._identity, self._track_id, quality)

    def _begin(self, anchor_s: float) -> Listener:
        self._recorder = self._start_recorder(anchor_s)
        listener = Listener(
            ear=Ear(
                speaker=self._identity,
                track_id=self._track_id,
                anchor_s=anchor_s,
                model=self._shared.vad,
                options=LIVE,
            ),
            recogniser=self._shared.recogniser,
            session=self._shared.session,
            on_lost=self._note_lost,
            writer=self._recorder,
        )
        listener.start()
        return listener

    def _start_recorder(self, anchor_s: float) -> TrackRecorder | None:
        if self._shared.objects is None:
            return None
        info = TrackInfo(
            room_sid=self._shared.room_sid,
            room_name=self._shared.room_name,
            identity=self._identity,
            track_id=self._track_id,
            track_source=rtc.TrackSource.Name(self._publication.source),
            call_started_at=self._shared.clock.call_started_at,
            started_at=self._shared.clock.at(anchor_s),
        )
        try:
            return TrackRecorder(self._shared.spool_dir, info)
        except RecorderError:
            # The call is still heard; the audit will find the recording missing and say so.
            log.error("a track is heard but not recorded", extra=self._ids())
            return None

    async def _fall_silent(self) -> None:
        if self._listener is not None and not self._silent:
            self._silent = True
            self._muted_when_silent = self._publication.muted
            await self._listener.pause()

    async def _settle(self) -> None:
        await self._stream.aclose()
        try:
            if self._listener is not None:
                await self._listener.close()
        finally:
            self._end_loss(self._shared.clock.now_s())
            self._end_gap()
            self._tell_quality(self._quality.take())
            await self._put_away()

    def _end_loss(self, at_s: float) -> None:
        """Sound comes again after the connection was made anew: say how long none came."""
        if self._lost_since_s is None:
            return
        start_s, self._lost_since_s = self._lost_since_s, None
        if at_s > start_s:
            self._shared.ledger.gap(
                identity=self._identity, kind="observer_lost", start_s=start_s, end_s=at_s
            )

    def _end_gap(self) -> None:
        """A deaf track is heard again, or gone: say how long it was deaf."""
        if self._deaf_since_s is None:
            return
        start_s, self._deaf_since_s = self._deaf_since_s, None
        self._shared.ledger.gap(
            identity=self._identity,
            kind="deaf_track",
            start_s=start_s,
            end_s=self._shared.clock.now_s(),
        )

    async def _put_away(self) -> None:
        recorder, objects = self._recorder, self._shared.objects
        if recorder is None or objects is None:
            return
        await asyncio.to_thread(recorder.finish)
        try:
            await asyncio.to_thread(put_away, recorder, objects, self._shared.ledger.recording)
        except (StorageError, OSError):
            log.error("a recording waits in the spool: the store failed", extra=self._ids())

    async def _note_lost(self, ear: Ear, span: Span, reason: str) -> None:
        metrics.dropped(reason)
        log.warning("a piece of speech was given up", extra={**self._ids(), "reason": reason})
        self._shared.ledger.gap(
            identity=ear.speaker,
            kind="overload",
            start_s=span.start_s,
            end_s=span.end_s,
            detail=reason,
        )

    def _ids(self) -> dict[str, str]:
        return {"room_sid": self._shared.room_sid, "track_id": self._track_id}
