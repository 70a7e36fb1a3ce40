"""Transcribe: the words of one lane of a recording, whoever says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from offline.engines import Engines, Loaded
from offline.lack import NOT_TRANSCRIBED, Lack, LackError, lack_of
from offline.lanes import Lane, lane_samples
from offline.stages.records import Transcribed
from offline.stages.stage import OnProgress, Stage
from offline.stages.take import Take
from offline.transcript import transcribe
from speech.errors import SpeechError

_TRANSCRIBED = TypeAdapter(Transcribed)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTake:
    """A lane, and the recording that it belongs to."""

    take: Take
    lane: Lane


class TranscribeStage(Stage[LaneTake, Transcribed]):
    """Finds the speech in a lane, and writes it down.

    Args:
        engines: Loaded only when something must be transcribed.
    """

    name = "transcribe"
    version = 2

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._settings = dict(engines.describe())
        self._lack: Lack | None = None

    @property
    def made(self) -> TypeAdapter[Transcribed]:
        """See `Stage.made`."""
        return _TRANSCRIBED

    def inputs(self, given: LaneTake) -> Mapping[str, str]:
        """See `Stage.inputs`."""
        return {"recording": given.take.sha256}

    def settings(self, given: LaneTake) -> Mapping[str, object]:
        """See `Stage.settings`. Neither speakers nor the clock: they can change, words don't."""
        channel = given.lane.channel
        return {**self._settings, "channel": "all" if channel is None else channel}

    def run(self, given: LaneTake, on_progress: OnProgress) -> Transcribed:
        """Transcribe the lane.

        Raises:
            LackError: models, or what runs them, are missing.
        """
        engines = self._loaded()
        samples = lane_samples(given.lane, given.take.audio().samples)
        return transcribe(samples, engines, on_progress)

    def is_final(self, made: Transcribed) -> bool:
        """See `Stage.is_final`. What the recogniser failed on may go well another time."""
        return not any(piece.is_failed for piece in made.pieces)

    def _loaded(self) -> Loaded:
        if self._lack is None:
            try:
                return self._engines.load()
            except SpeechError as exc:
                # To search for them takes long, and what is missing is missing for every lane.
                self._lack = lack_of(exc, NOT_TRANSCRIBED)
        raise LackError(self._lack) from None
