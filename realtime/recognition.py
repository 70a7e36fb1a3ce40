"""Recognisers that leave the event loop free, with the queue that all who ask wait in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecognitionDropped, RecognitionError
from realtime.speech_queue import Piece, SpeechQueue
from realtime.ticket import Ticket
from speech.batched_whisper import BatchedWhisper
from speech.errors import SpeechError
from speech.models import find_model
from speech.recogniser import Recognition
from speech.second_reader import SecondReader
from speech.whisper import LIVE

LIVE_MODEL_ID = "faster-whisper-tiny.en"
SECOND_MODEL_ID = "faster-whisper-base"

# Four pieces together take 0.72 of the time of four alone (two cores, tiny.en int8); eight gain no
# more and hold up whoever comes next (tests/benchmarks/bench_recogniser.py).
MAX_BATCH = 4


# Pieces of all rooms that wait for the second ear. Each takes about a second of a core.
MAX_WAITING_FOR_SECOND = 3


class Guesses(Enum):
    """Whether a recogniser may be asked about speech that still grows."""

    NONE = "none"
    UNSURE = "unsure"  # it may: its words are never final ones
    SURE = "sure"  # it may: asked about the whole piece, it would write the same for the same sound


class AsyncRecogniser(Protocol):
    """Turns speech into words without holding up the event loop."""

    guesses: Guesses
    second: AsyncRecogniser | None  # hears once more what holds a number that is not whole

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Words with times relative to the samples.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.
            ticket: How urgent it is.

        Raises:
            RecognitionDropped: it was given up for something newer or more urgent.
            RecognitionError: no words could be had.
        """


class BatchRecogniser(Protocol):
    """A recogniser that takes several pieces of speech at a time."""

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """What was heard in each piece, in the same order; raises `SpeechError`."""

    def close(self) -> None:
        """Let go of the weights."""


def load_live_recogniser(models_dir: Path, *, cpu_threads: int = 2) -> BatchedWhisper:
    """The recogniser of the live path, with its weights checked.

    Raises:
        SpeechError: the weights are missing or not the pinned ones.
    """
    folder = find_model(LIVE_MODEL_ID, models_dir)
    return BatchedWhisper(folder, LIVE, name=LIVE_MODEL_ID, cpu_threads=cpu_threads)


def load_second_ear(models_dir: Path) -> SecondReader:
    """What hears numbers once more, with its weights checked.

    Raises:
        SpeechError: the weights are missing or not the pinned ones.
    """
    folder = find_model(SECOND_MODEL_ID, models_dir)
    # One thread: it must not hold up the first ear, which everybody waits for.
    return SecondReader(folder, name=SECOND_MODEL_ID, cpu_threads=1)


def second_recogniser(reader: BatchRecogniser) -> ThreadRecogniser:
    """A second ear behind a short queue: who would wait for long takes what the first ear heard."""
    return ThreadRecogniser(
        reader, max_batch=1, queue=SpeechQueue(max_finals=MAX_WAITING_FOR_SECOND)
    )


class ThreadRecogniser:
    """Runs a recogniser in one thread of its own, behind a queue.

    While the recogniser works, requests gather; what fits together is then recognised together.
    Nobody waits for a batch to fill.

    Args:
        recogniser: Used by one thread only.
        max_batch: Pieces that are recognised together at most.
        queue: What waits; one of its own where none is given.
        second: Hears once more what holds a number that is not whole.
    """

    def __init__(
        self,
        recogniser: BatchRecogniser,
        *,
        max_batch: int = MAX_BATCH,
        queue: SpeechQueue | None = None,
        second: ThreadRecogniser | None = None,
    ) -> None:
        self.guesses = Guesses.SURE
        self.second: AsyncRecogniser | None = second
        self._second = second
        self.queue = queue if queue is not None else SpeechQueue()
        self._recogniser = recogniser
        self._max_batch = max_batch
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recogniser")
        self._working: asyncio.Task[None] | None = None

    async def transcribe(
        self, samples: NDArray[np.float32], ticket: Ticket, room: str = ""
    ) -> Recognition:
        """Recognise a piece of speech; see `AsyncRecogniser`. Rooms take turns."""
        words: asyncio.Future[Recognition] = asyncio.get_running_loop().create_future()
        piece = Piece(
            room=room, ticket=ticket, samples=samples, queued_s=time.monotonic(), words=words
        )
        _give_up(self.queue.put(piece))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="recogniser-work")
        return await words

    def close(self) -> None:
        """End the thread and let go of the weights."""
        self._thread.shutdown(wait=True)
        self._recogniser.close()
        if self._second is not None:
            self._second.close()

    async def _work(self) -> None:
        """Recognise until nothing waits."""
        loop = asyncio.get_running_loop()
        while len(self.queue):
            pieces, old = self.queue.take(self._max_batch, time.monotonic())
            _give_up(old)
            if not pieces:
                continue
            samples = [piece.samples for piece in pieces]
            try:
                heard = await loop.run_in_executor(
                    self._thread, self._recogniser.recognise, samples
                )
            except SpeechError as exc:
                _fail(pieces, RecognitionError(type(exc).__name__))
            except Exception as exc:  # a defect: whoever asked must not wait forever
                _fail(pieces, exc)
            else:
                for piece, recognition in zip(pieces, heard, strict=True):
                    if not piece.words.done():
                        piece.words.set_result(recognition)


def _fail(pieces: Sequence[Piece], error: Exception) -> None:
    for piece in pieces:
        if not piece.words.done():
            piece.words.set_exception(error)


def _give_up(pieces: Sequence[Piece]) -> None:
    _fail(pieces, RecognitionDropped("given up while it waited"))
