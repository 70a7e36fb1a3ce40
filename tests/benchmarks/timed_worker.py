"""`earmark observe` with a speech process that notes when it was asked and when it computed.

Usage: BENCH_TIMES=FILE python -m tests.benchmarks.timed_worker

Everything else is the command itself. Times are those of the monotonic clock, which all processes
of a machine share.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.cli import main
from realtime.inference import LiveRecogniserRunner
from realtime.recognition import BatchRecogniser, ThreadRecogniser, load_live_recogniser
from realtime.ticket import Ticket
from speech.recogniser import Recognition

TIMES_VARIABLE = "BENCH_TIMES"


def note(kind: str, from_s: float) -> None:
    """Write one line: what was done from when until now."""
    line = json.dumps({"kind": kind, "from_s": from_s, "until_s": time.monotonic()})
    with Path(os.environ[TIMES_VARIABLE]).open("a") as file:
        file.write(line + "\n")


class NotingEngine:
    """Notes when it computes."""

    def __init__(self, engine: BatchRecogniser) -> None:
        self._engine = engine

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """Recognise, and note it."""
        began_s = time.monotonic()
        heard = self._engine.recognise(pieces)
        note("computed", began_s)
        return heard

    def close(self) -> None:
        """Let go of the weights."""
        self._engine.close()


class NotingRecogniser(ThreadRecogniser):
    """Notes when it is asked and answers."""

    async def transcribe(
        self, samples: NDArray[np.float32], ticket: Ticket, room: str = ""
    ) -> Recognition:
        """Recognise, and note it."""
        asked_s = time.monotonic()
        heard = await super().transcribe(samples, ticket, room)
        note("answered", asked_s)
        return heard


class TimedRunner(LiveRecogniserRunner):
    """The speech process, with notes."""

    def first_ear(self, models_dir: Path) -> ThreadRecogniser:
        """The recogniser that hears everything."""
        return NotingRecogniser(NotingEngine(load_live_recogniser(models_dir)))


if __name__ == "__main__":
    from livekit.agents.inference_runner import _InferenceRunner

    from tests.benchmarks.timed_worker import TimedRunner as Importable  # not as __main__

    _InferenceRunner.register_runner(Importable)
    sys.argv = ["earmark", "observe", "--port", "0"]
    main()
