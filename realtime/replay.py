"""Replay: audio files through the live path, at any pace, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from realtime.alerts import AlertSink
from realtime.clock import Clock, PacedClock, VirtualClock
from realtime.ear import Ear
from realtime.listener import Listener
from realtime.recognition import AsyncRecogniser
from realtime.second_ear import AGAIN_TIMEOUT_S
from realtime.session import CallSession, OnUtterance
from realtime.trial import trial_engine
from rules.engine import Engine
from rules.rulebook import Rulebook
from rules.similarity import Embedder
from rules.types import Participant, Span
from speech.audio import SAMPLE_RATE_HZ
from speech.vad import LIVE, VadModel

# As long as the chunks that the observer takes from a LiveKit track.
CHUNK_SAMPLES = 64 * SAMPLE_RATE_HZ // 1000
# Without a pace nobody waits for a recogniser: only one that hangs is given up.
_UNPACED_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One speaker's audio, from the first second of the call."""

    speaker: str
    samples: NDArray[np.float32] = field(repr=False)  # shape (n_samples,), 16 kHz


class Replay:
    """Plays voices side by side into ears, exactly as a room would.

    Args:
        voices: Who speaks; at least one.
        rulebook: The rules in force.
        embedder: Needed where a live rule has a `similar` condition.
        vad: Speech detection weights.
        recogniser: Gives words.
        sinks: Where alerts go.
        trial_sinks: Where hits of shadow rules go; where there is none, these rules do not run.
        on_utterance: Called with each final utterance.
        on_interim: Called with each interim one.
        on_progress: Called with the stream position in seconds.
        call_id: Stands for the room's session id.
    """

    def __init__(
        self,
        *,
        voices: Sequence[Voice],
        rulebook: Rulebook,
        embedder: Embedder | None = None,
        vad: VadModel,
        recogniser: AsyncRecogniser,
        sinks: Sequence[AlertSink],
        trial_sinks: Sequence[AlertSink] = (),
        on_utterance: OnUtterance | None = None,
        on_interim: OnUtterance | None = None,
        on_progress: Callable[[float], None] | None = None,
        call_id: str = "replay",
    ) -> None:
        self._voices = tuple(voices)
        self._rulebook = rulebook
        self._embedder = embedder
        self._vad = vad
        self._recogniser = recogniser
        self._sinks = sinks
        self._trial_sinks = tuple(trial_sinks)
        self._on_utterance = on_utterance
        self._on_interim = on_interim
        self._on_progress = on_progress
        self._call_id = call_id
        self.lost: list[tuple[str, Span, str]] = []

    @property
    def duration_s(self) -> float:
        """Length of the longest voice."""
        return max(len(voice.samples) for voice in self._voices) / SAMPLE_RATE_HZ

    async def run(self, *, speed_ratio: float | None) -> None:
        """Play everything.

        Args:
            speed_ratio: Multiple of real time; None is as fast as can be, where delays are counted
                on a virtual clock instead of being waited for.
        """
        virtual = VirtualClock()
        clock: Clock = virtual if speed_ratio is None else PacedClock(speed_ratio)
        session = CallSession(
            room_sid=self._call_id,
            engine=Engine(self._rulebook.for_live(), embedder=self._embedder),
            clock=clock,
            sinks=self._sinks,
            on_utterance=self._on_utterance,
            on_interim=self._on_interim,
            trial=trial_engine(self._rulebook, self._embedder) if self._trial_sinks else None,
            trial_sinks=self._trial_sinks,
        )
        # Without a pace nobody waits, so whether the recogniser were free is counted, not seen.
        may_guess = virtual.is_free if speed_ratio is None else None
        listeners = [self._listener(voice, session, virtual, may_guess) for voice in self._voices]
        for voice, listener in zip(self._voices, listeners, strict=True):
            await session.participant(Participant(identity=voice.speaker), sid=voice.speaker)
            listener.start()
        try:
            n_samples = max(len(voice.samples) for voice in self._voices)
            for start in range(0, n_samples, CHUNK_SAMPLES):
                position_s = min(start + CHUNK_SAMPLES, n_samples) / SAMPLE_RATE_HZ
                if speed_ratio is not None:
                    await asyncio.sleep(max(0.0, position_s - clock.now_s()) / speed_ratio)
                virtual.heard(position_s)
                for voice, listener in zip(self._voices, listeners, strict=True):
                    # A shorter file is a speaker who says nothing more, not one who has left.
                    await listener.put(
                        _chunk(voice.samples, start, min(CHUNK_SAMPLES, n_samples - start))
                    )
                    if speed_ratio is None:
                        await listener.settled()
                await session.advance(position_s)
                if self._on_progress is not None:
                    self._on_progress(position_s)
        finally:
            for listener in listeners:
                await listener.close()
        await session.end(n_samples / SAMPLE_RATE_HZ)

    def _listener(
        self,
        voice: Voice,
        session: CallSession,
        virtual: VirtualClock,
        may_guess: Callable[[], bool] | None,
    ) -> Listener:
        ear = Ear(
            speaker=voice.speaker,
            track_id=voice.speaker,
            anchor_s=0.0,
            model=self._vad,
            options=LIVE,
        )
        return Listener(
            ear=ear,
            recogniser=self._recogniser,
            session=session,
            on_lost=self._note_lost,
            on_worked=virtual.worked,
            may_guess=may_guess or (lambda: True),
            again_timeout_s=AGAIN_TIMEOUT_S if may_guess is None else _UNPACED_TIMEOUT_S,
        )

    async def _note_lost(self, ear: Ear, span: Span, reason: str) -> None:
        self.lost.append((ear.speaker, span, reason))


def _chunk(samples: NDArray[np.float32], start: int, length: int) -> NDArray[np.float32]:
    piece = samples[start : start + length]
    if len(piece) == length:
        return piece
    return np.concatenate((piece, np.zeros(length - len(piece), dtype=np.float32)))
