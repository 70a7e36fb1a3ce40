"""A listener: carries one track's samples through an ear and a recogniser, in order, bounded."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.ear import Ear, Segment
from realtime.errors import RecognitionError
from realtime.session import CallSession
from rules.types import Span
from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import RecognisedWord

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]

# Audio that waits for the speech detector, in chunks of at most a second or so.
_MAX_CHUNKS = 256
# Pieces of speech that wait for the recogniser: about half a minute of talk. When it is full, the
# oldest is given up, because an alert about what was said long ago helps nobody live; the audit
# hears it again.
_MAX_SEGMENTS = 4
# Zeros that stand for a hole are fed in steps, so that a long hole does not hold up the others.
_HOLE_STEP_SAMPLES = SAMPLE_RATE_HZ


class AsyncRecogniser(Protocol):
    """Turns speech into words without holding up the event loop."""

    async def transcribe(self, samples: Samples) -> tuple[RecognisedWord, ...]:
        """Words with times relative to the samples.

        Raises:
            RecognitionError: no words could be had.
        """


class SampleWriter(Protocol):
    """Something else that wants every sample, such as a recorder."""

    def write(self, samples: Samples) -> None:
        """Take samples, shape (n_samples,), 16 kHz."""


OnLost = Callable[[Ear, Span, str], Awaitable[None]]
OnWorked = Callable[[float], None]


class Listener:
    """Runs one ear: two held tasks with a bounded queue before each.

    Args:
        ear: Where samples go.
        recogniser: Shared by all listeners.
        session: Where utterances go.
        on_lost: Told what was not understood: (ear, span, "overload" or "recogniser").
        writer: Gets every sample too.
        on_worked: Told how long each recognition took, in seconds.
    """

    def __init__(
        self,
        *,
        ear: Ear,
        recogniser: AsyncRecogniser,
        session: CallSession,
        on_lost: OnLost,
        writer: SampleWriter | None = None,
        on_worked: OnWorked | None = None,
    ) -> None:
        self.ear = ear
        self._recogniser = recogniser
        self._session = session
        self._on_lost = on_lost
        self._writer = writer
        self._on_worked = on_worked
        self._chunks: asyncio.Queue[Samples | None] = asyncio.Queue(_MAX_CHUNKS)
        self._segments: asyncio.Queue[Segment] = asyncio.Queue(_MAX_SEGMENTS)
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        """Begin to listen."""
        self._session.listen(self.ear)
        self._tasks = (
            asyncio.create_task(self._hear(), name="listener-hear"),
            asyncio.create_task(self._recognise(), name="listener-recognise"),
        )

    async def put(self, samples: Samples) -> None:
        """Hand over samples; waits where the ear is behind, and so loses nothing.

        Raises:
            Exception: whatever stopped the listener.
        """
        for task in self._tasks:
            if task.done():
                task.result()
        await self._chunks.put(samples)

    async def put_hole(self, n_samples: int) -> None:
        """Hand over silence in place of samples that never came."""
        for start in range(0, n_samples, _HOLE_STEP_SAMPLES):
            step = min(_HOLE_STEP_SAMPLES, n_samples - start)
            await self.put(np.zeros(step, dtype=np.float32))

    async def pause(self) -> None:
        """The stream fell silent: settle the piece of speech in progress."""
        await self._chunks.put(None)

    async def settled(self) -> None:
        """Wait until everything that was handed over has become utterances.

        Raises:
            Exception: whatever stopped one of the two tasks; without this, the wait would not end.
        """
        drained = asyncio.ensure_future(self._drained())
        try:
            await asyncio.wait({drained, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
        finally:
            drained.cancel()

    async def close(self) -> None:
        """Settle what is under way and stop. Safe to call twice."""
        if not self._tasks:
            return
        try:
            await self.pause()
            await self.settled()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks = ()
            self._session.forget(self.ear)

    async def _drained(self) -> None:
        await self._chunks.join()
        await self._segments.join()

    async def _hear(self) -> None:
        while True:
            samples = await self._chunks.get()
            try:
                if samples is None:
                    segments = self.ear.flush()
                else:
                    if self._writer is not None:
                        self._writer.write(samples)
                    segments = self.ear.push(samples)
                for segment in segments:
                    await self._queue(segment)
            finally:
                self._chunks.task_done()

    async def _queue(self, segment: Segment) -> None:
        if self._segments.full():
            oldest = self._segments.get_nowait()
            self._segments.task_done()
            await self._on_lost(self.ear, self.ear.lost(oldest), "overload")
        self._segments.put_nowait(segment)

    async def _recognise(self) -> None:
        while True:
            segment = await self._segments.get()
            try:
                began_s = time.monotonic()
                try:
                    words = await self._recogniser.transcribe(segment.samples)
                except RecognitionError:
                    log.warning("a piece of speech was not recognised", exc_info=False)
                    await self._on_lost(self.ear, self.ear.lost(segment), "recogniser")
                    continue
                if self._on_worked is not None:
                    self._on_worked(time.monotonic() - began_s)
                utterance = self.ear.utterance(segment, words)
                if utterance is not None:
                    await self._session.utterance(utterance)
            finally:
                self._segments.task_done()
