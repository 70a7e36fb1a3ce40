"""Diarize: who speaks when in a recording of several people, by voice and without names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from offline.lanes import lane_samples
from offline.stages.records import Diarized, Turn
from offline.stages.stage import OnProgress, Stage
from offline.stages.transcribe import LaneTake

_DIARIZED = TypeAdapter(Diarized)


class Diarizer(Protocol):
    """Tells voices apart."""

    name: str  # engine and models, as reports name them

    def describe(self) -> Mapping[str, object]:
        """All that decides the turns, as JSON; no weights are needed for it."""

    def diarize(self, samples: NDArray[np.float32], on_progress: OnProgress) -> Sequence[Turn]:
        """Find the turns.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.
            on_progress: Told how much is done.

        Raises:
            SpeechError: models are missing.
        """


class DiarizeStage(Stage[LaneTake, Diarized]):
    """Finds the turns of the voices in a lane.

    Args:
        diarizer: Its models are loaded only when something must be diarized.
    """

    name = "diarize"
    version = 1

    def __init__(self, diarizer: Diarizer) -> None:
        self._diarizer = diarizer
        self._settings = dict(diarizer.describe())

    @property
    def made(self) -> TypeAdapter[Diarized]:
        """See `Stage.made`."""
        return _DIARIZED

    def inputs(self, given: LaneTake) -> Mapping[str, str]:
        """See `Stage.inputs`."""
        return {"recording": given.take.sha256}

    def settings(self, given: LaneTake) -> Mapping[str, object]:
        """See `Stage.settings`."""
        channel = given.lane.channel
        return {**self._settings, "channel": "all" if channel is None else channel}

    def run(self, given: LaneTake, on_progress: OnProgress) -> Diarized:
        """Diarize the lane.

        Raises:
            SpeechError: models are missing.
        """
        samples = lane_samples(given.lane, given.take.audio().samples)
        turns = sorted(
            self._diarizer.diarize(samples, on_progress),
            key=lambda turn: (turn.start_s, turn.end_s, turn.voice),
        )
        return Diarized(engine=self._diarizer.name, turns=tuple(turns))
