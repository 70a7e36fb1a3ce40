"""Recognisers that leave the event loop free: a thread of this process, or the shared process."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecognitionError
from speech.errors import SpeechError
from speech.models import find_model
from speech.recogniser import RecognisedWord, Recogniser
from speech.whisper import LIVE, FasterWhisper

LIVE_MODEL_ID = "faster-whisper-tiny.en"

# A worker that is asked for words and has none after this long counts as failed: the queue behind
# it must move on.
_TIMEOUT_S = 30.0
_PCM16_MAX = 32767.0


def load_live_recogniser(models_dir: Path, *, cpu_threads: int = 2) -> FasterWhisper:
    """The recogniser of the live path, with its weights checked.

    Raises:
        SpeechError: the weights are missing or not the pinned ones.
    """
    folder = find_model(LIVE_MODEL_ID, models_dir)
    return FasterWhisper(folder, LIVE, name=LIVE_MODEL_ID, cpu_threads=cpu_threads)


class ThreadRecogniser:
    """Runs a recogniser in one thread of its own, one piece of speech after the other."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recogniser")

    async def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """Words with times relative to the samples; shape (n_samples,), 16 kHz."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._recogniser.transcribe, samples)
        except SpeechError as exc:
            raise RecognitionError(type(exc).__name__) from None

    def close(self) -> None:
        """End the thread and let go of the weights."""
        self._thread.shutdown(wait=True)
        self._recogniser.close()


class InferenceExecutor(Protocol):
    """The way from a job to the speech process of its worker (livekit-agents)."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Ask for one inference; raises RuntimeError where it fails."""


class SharedRecogniser:
    """Asks the speech process that all rooms of a worker share."""

    def __init__(self, executor: InferenceExecutor, *, method: str) -> None:
        self._executor = executor
        self._method = method

    async def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """Words with times relative to the samples; shape (n_samples,), 16 kHz."""
        try:
            answer = await asyncio.wait_for(
                self._executor.do_inference(self._method, encode_samples(samples)), _TIMEOUT_S
            )
        except TimeoutError:
            raise RecognitionError("no answer in time") from None
        except RuntimeError:
            # The message comes from another process and could carry anything.
            raise RecognitionError("the speech process failed") from None
        if answer is None:
            raise RecognitionError("an empty answer")
        return decode_words(answer)


def encode_samples(samples: NDArray[np.float32]) -> bytes:
    """Samples as 16-bit PCM, half the bytes between the processes."""
    return (np.clip(samples, -1.0, 1.0) * _PCM16_MAX).astype("<i2").tobytes()


def decode_samples(data: bytes) -> NDArray[np.float32]:
    """What `encode_samples` made, back in range [-1.0, 1.0], shape (n_samples,)."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(_PCM16_MAX)


def encode_words(words: tuple[RecognisedWord, ...]) -> bytes:
    """Words on their way back from the speech process."""
    return json.dumps([(w.text, w.start_s, w.end_s, w.confidence) for w in words]).encode()


def decode_words(data: bytes) -> tuple[RecognisedWord, ...]:
    """What `encode_words` made."""
    return tuple(
        RecognisedWord(text=text, start_s=start_s, end_s=end_s, confidence=confidence)
        for text, start_s, end_s, confidence in json.loads(data)
    )
