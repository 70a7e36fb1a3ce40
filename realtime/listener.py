"""A listener: carries one track's samples through an ear and a recogniser, in order, bounded.

While somebody speaks, the piece of speech so far is recognised again and again: a guess. What two
guesses agree on becomes interim words, and so does a guess at a pause. When the pause goes on, that
guess heard the whole piece already and gives its final words.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime import metrics
from realtime.ear import Ear, Segment
from realtime.errors import RecognitionDropped, RecognitionError
from realtime.recognition import AsyncRecogniser, Guesses
from realtime.second_ear import AGAIN_TIMEOUT_S, SecondEar
from realtime.session import CallSession
from realtime.suspicion import Suspicions
from realtime.ticket import Ticket
from rules.types import Span
from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import Recognition

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
# A guess is made when so much speech is new. Two have to agree, so a word is told about one and a
# half of these after it was said, and a speaker takes about a third of a recogniser at most.
_GUESS_EVERY_SAMPLES = SAMPLE_RATE_HZ // 2
# Where the latest guess would raise something, the next one need not hear that much more.
_CHECK_EVERY_SAMPLES = SAMPLE_RATE_HZ // 5
# Shorter speech tells a recogniser too little.
_FIRST_GUESS_SAMPLES = 8 * SAMPLE_RATE_HZ // 10


class SampleWriter(Protocol):
    """Something else that wants every sample, such as a recorder."""

    def write(self, samples: Samples) -> None:
        """Take samples, shape (n_samples,), 16 kHz."""


OnLost = Callable[[Ear, Span, str], Awaitable[None]]
OnWorked = Callable[[float], None]


def _always() -> bool:
    """The recogniser's own queue decides."""
    return True


@dataclass(slots=True, kw_only=True, eq=False)
class _Guess:
    """A pass over a piece of speech that may not be over."""

    segment: Segment
    is_whole: bool  # the speaker paused behind it: should the pause go on, it is the whole piece
    ticket: Ticket
    is_begun: bool = False
    is_final: bool = False  # its piece ended with it: the words are the final ones
    heard: asyncio.Future[Recognition] = field(repr=False)


class Listener:
    """Runs one ear: three held tasks with a bounded queue before each.

    Args:
        ear: Where samples go.
        recogniser: Shared by all listeners.
        session: Where utterances go.
        on_lost: Told what was not understood: (ear, span, "overload", "recogniser" or "loop").
        writer: Gets every sample too.
        on_worked: Told how long each recognition took, in seconds.
        may_guess: Asked before each guess; for who knows that the recogniser is busy.
        again_timeout_s: For how long a number that is not whole may be heard once more.
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
        may_guess: Callable[[], bool] = _always,
        again_timeout_s: float = AGAIN_TIMEOUT_S,
    ) -> None:
        self.ear = ear
        self._recogniser = recogniser
        self._session = session
        self._on_lost = on_lost
        self._writer = writer
        self._on_worked = on_worked
        self._may_guess = may_guess
        second = recogniser.second
        self._second_ear = None
        if second is not None:
            self._second_ear = SecondEar(second, session, timeout_s=again_timeout_s)
        self.n_dropped_guesses = 0
        self.n_dropped_finals = 0
        self._guesses: asyncio.Queue[_Guess] = asyncio.Queue(1)
        self._last_guess: _Guess | None = None
        self._suspicions = Suspicions(ear, session)
        self._chunks: asyncio.Queue[Samples | None] = asyncio.Queue(_MAX_CHUNKS)
        self._segments: asyncio.Queue[Segment] = asyncio.Queue(_MAX_SEGMENTS)
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def n_waiting(self) -> tuple[int, int]:
        """How many chunks of audio and pieces of speech wait."""
        return self._chunks.qsize(), self._segments.qsize()

    def start(self) -> None:
        """Begin to listen."""
        self._session.listen(self.ear)
        self._tasks = (
            asyncio.create_task(self._hear(), name="listener-hear"),
            asyncio.create_task(self._recognise(), name="listener-recognise"),
            asyncio.create_task(self._guess_forever(), name="listener-guess"),
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
            Exception: whatever stopped one of the tasks; without this, the wait would not end.
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
        await self._guesses.join()

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
                self._guess()
            finally:
                self._chunks.task_done()

    async def _queue(self, segment: Segment) -> None:
        if self._segments.full():
            oldest = self._segments.get_nowait()
            self._segments.task_done()
            self.n_dropped_finals += 1
            await self._lose(oldest, "overload")
        self._segments.put_nowait(segment)

    async def _lose(self, segment: Segment, reason: str) -> None:
        span, stands = self.ear.lost(segment)
        if stands is not None:
            await self._session.utterance(stands)
        await self._on_lost(self.ear, span, reason)

    async def _recognise(self) -> None:
        while True:
            segment = await self._segments.get()
            try:
                try:
                    heard = await self._final(segment)
                except RecognitionDropped:
                    self.n_dropped_finals += 1
                    await self._lose(segment, "overload")
                    continue
                except RecognitionError:
                    log.warning("a piece of speech was not recognised", exc_info=False)
                    await self._lose(segment, "recogniser")
                    continue
                heard = await self._best(segment, heard)
                utterance = self.ear.utterance(segment, heard.words)
                if utterance is not None:
                    await self._session.utterance(utterance)
                if heard.looped_from_s is not None:
                    unclear = self.ear.unclear(segment, heard.looped_from_s)
                    await self._on_lost(self.ear, unclear, "loop")
            finally:
                self._segments.task_done()

    async def _final(self, segment: Segment) -> Recognition:
        """The words of a whole piece: those of a guess at the very same samples, or new ones."""
        guess = self._last_guess
        if guess is not None and guess.segment.index == segment.index:
            self._last_guess = None  # one that still waits in line is not begun any more
        if (
            guess is not None
            and guess.is_begun
            and self._recogniser.guesses is Guesses.SURE
            and guess.segment.is_same_sound(segment)
        ):
            guess.is_final = True
            guess.ticket.settle()
            try:
                return await asyncio.shield(guess.heard)
            except RecognitionError:
                pass  # dropped or failed as a guess; as a final piece it has another chance
        return await self._ask(segment, self._ticket(segment, is_final=True))

    async def _best(self, segment: Segment, heard: Recognition) -> Recognition:
        """The best reading of a whole piece: the first one, unless it holds half a number."""
        if self._second_ear is None or not self._session.weighs_readings:
            return heard
        return await self._second_ear.better(
            segment.samples,
            heard,
            self._ticket(segment, is_final=True),
            as_utterance=lambda words: self.ear.reading(segment, words),
            on_worked=self._on_worked,
        )

    def _ticket(self, segment: Segment, *, is_final: bool) -> Ticket:
        return Ticket(lane=self.ear.track_id, is_final=is_final, piece=segment.index)

    async def _ask(self, segment: Segment, ticket: Ticket) -> Recognition:
        began_s = time.monotonic()
        heard = await self._recogniser.transcribe(segment.samples, ticket)
        elapsed_s = time.monotonic() - began_s
        metrics.recognised(elapsed_s, is_final=ticket.is_final)
        if self._on_worked is not None:
            self._on_worked(elapsed_s)
        return heard

    def _guess(self) -> None:
        """Have the speech in progress recognised, where that is due."""
        so_far = self.ear.in_progress
        guesses = self._recogniser.guesses
        if so_far is None or guesses is Guesses.NONE or self.ear.awaits_words:
            return
        n_samples = so_far.end_sample - so_far.start_sample
        last = self._last_guess
        n_known = 0
        if last is not None and last.segment.start_sample == so_far.start_sample:
            n_known = len(last.segment.samples)
        at_pause = self.ear.is_pausing
        if at_pause:
            is_due = n_samples != n_known
        else:
            is_checked = n_known and last is not None and self._suspicions.is_open(last.segment)
            every = _CHECK_EVERY_SAMPLES if is_checked else _GUESS_EVERY_SAMPLES
            is_due = n_samples >= max(n_known + every, _FIRST_GUESS_SAMPLES)
        if not is_due or not self._may_guess():
            return
        segment = self.ear.growing()
        if segment is None:
            return
        if self._guesses.full():
            # Something newer exists: what waits here is not worth the recogniser's time any more.
            older = self._guesses.get_nowait()
            self._guesses.task_done()
            older.heard.cancel()
            self._drop_guess("overtaken")
        self._last_guess = _Guess(
            segment=segment,
            is_whole=at_pause and guesses is Guesses.SURE,
            ticket=self._ticket(segment, is_final=False),
            heard=asyncio.get_running_loop().create_future(),
        )
        self._guesses.put_nowait(self._last_guess)

    def _drop_guess(self, reason: str) -> None:
        self.n_dropped_guesses += 1
        metrics.dropped(reason, is_final=False)

    async def _guess_forever(self) -> None:
        while True:
            guess = await self._guesses.get()
            try:
                await self._hear_again(guess)
            finally:
                self._guesses.task_done()

    async def _hear_again(self, guess: _Guess) -> None:
        if guess is not self._last_guess or self.ear.awaits_words:
            self._drop_guess("overtaken")
            return  # its piece has ended meanwhile; the final words are next
        guess.is_begun = True
        try:
            heard = await self._ask(guess.segment, guess.ticket)
        except Exception as exc:
            guess.heard.set_exception(exc)
            guess.heard.exception()  # nobody has to look at it
            if not isinstance(exc, RecognitionError):
                raise
            # The final words will tell.
            is_dropped = isinstance(exc, RecognitionDropped)
            self._drop_guess("overload" if is_dropped else "recogniser")
            return
        guess.heard.set_result(heard)
        if guess.is_final:
            return
        utterance = self.ear.interim(guess.segment, heard.words, is_whole=guess.is_whole)
        if utterance is not None:
            await self._session.utterance(utterance)
        suspected = self._suspicions.hear(guess.segment, heard.words)
        if suspected is not None:
            await self._session.utterance(suspected)
