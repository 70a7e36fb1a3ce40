"""The speech process of a worker: one set of weights for all of its rooms.

livekit-agents starts one inference process a worker and hands it a class without arguments, so the
models folder travels in the environment. Asked for an inference, it says on which socket the
speech server listens; the speech itself goes by that socket (realtime/speech_server.py says why).
"""

from __future__ import annotations

import os
from pathlib import Path

from livekit.agents.inference_runner import _InferenceRunner

from realtime.recognition import (
    ThreadRecogniser,
    load_live_recogniser,
    load_second_ear,
    second_recogniser,
)
from realtime.speech_server import SpeechThread

METHOD = "earmark_live_recogniser"
MODELS_DIR_VARIABLE = "EARMARK_MODELS_DIR"
SECOND_EAR_VARIABLE = "EARMARK_SPEECH_SECOND_EAR"  # set: load it


class LiveRecogniserRunner(_InferenceRunner):
    """Loads the live recogniser once and serves it to the rooms of the worker."""

    INFERENCE_METHOD = METHOD

    def __init__(self) -> None:
        self._server: SpeechThread | None = None

    def initialize(self) -> None:
        """Load the weights and begin to serve; runs once in the speech process."""
        models_dir = Path(os.environ[MODELS_DIR_VARIABLE])
        second = None
        if os.environ.get(SECOND_EAR_VARIABLE):
            second = second_recogniser(load_second_ear(models_dir))
        server = SpeechThread(self.first_ear(models_dir), second)
        server.start()
        self._server = server

    def first_ear(self, models_dir: Path) -> ThreadRecogniser:
        """The recogniser that hears everything."""
        return ThreadRecogniser(load_live_recogniser(models_dir))

    def run(self, data: bytes) -> bytes | None:
        """Say where the speech server listens."""
        if self._server is None:
            # livekit-agents logs a failed start and goes on; this keeps it from being silent.
            raise RuntimeError("the live recogniser was not loaded")
        return str(self._server.path).encode()


def register_runner() -> None:
    """Have the next worker of this process start the speech process."""
    if METHOD not in _InferenceRunner.registered_runners:
        _InferenceRunner.register_runner(LiveRecogniserRunner)
