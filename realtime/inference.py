"""The speech process of a worker: one set of weights for all of its rooms.

livekit-agents starts one inference process a worker and hands it a class without arguments, so the
models folder travels in the environment.
"""

from __future__ import annotations

import os
from pathlib import Path

from livekit.agents.inference_runner import _InferenceRunner

from realtime.recognition import decode_samples, encode_words, load_live_recogniser
from speech.whisper import FasterWhisper

METHOD = "earmark_live_recogniser"
MODELS_DIR_VARIABLE = "EARMARK_MODELS_DIR"


class LiveRecogniserRunner(_InferenceRunner):
    """Loads the live recogniser once and answers one piece of speech at a time."""

    INFERENCE_METHOD = METHOD

    def __init__(self) -> None:
        self._recogniser: FasterWhisper | None = None

    def initialize(self) -> None:
        """Load the weights; runs once in the speech process."""
        self._recogniser = load_live_recogniser(Path(os.environ[MODELS_DIR_VARIABLE]))

    def run(self, data: bytes) -> bytes | None:
        """Recognise 16-bit PCM at 16 kHz; gives the words as JSON."""
        if self._recogniser is None:
            # livekit-agents logs a failed start and goes on; this keeps it from being silent.
            raise RuntimeError("the live recogniser was not loaded")
        return encode_words(self._recogniser.transcribe(decode_samples(data)))


def register_runner() -> None:
    """Have the next worker of this process start the speech process."""
    if METHOD not in _InferenceRunner.registered_runners:
        _InferenceRunner.register_runner(LiveRecogniserRunner)
