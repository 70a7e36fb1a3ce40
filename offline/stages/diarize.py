"""Diarize: who speaks when in a recording of several people, by voice and without names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from offline.diarization.turns import FAILED, Diarizer, VoiceBounds, VoiceTurn
from offline.errors import DiarizerError
from offline.lack import NOT_TOLD_APART, Lack, LackError, lack_of
from offline.lanes import Lane, lane_samples
from offline.stages.records import Diarized, Turn
from offline.stages.stage import OnProgress, Stage
from offline.stages.take import Take
from speech.errors import SpeechError

_DIARIZED = TypeAdapter(Diarized)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixTake:
    """A lane that holds several people, and the recording that it belongs to."""

    take: Take
    lane: Lane
    bounds: VoiceBounds  # how many people it can hold


class DiarizeStage(Stage[MixTake, Diarized]):
    """Finds the turns of the voices in a lane. What the voices sound like is not kept.

    Args:
        diarizer: Its models are loaded only when something must be diarized.
    """

    name = "diarize"
    version = 2

    def __init__(self, diarizer: Diarizer) -> None:
        self._diarizer = diarizer
        self._settings = dict(diarizer.describe())
        self._lack: Lack | None = None

    @property
    def made(self) -> TypeAdapter[Diarized]:
        """See `Stage.made`."""
        return _DIARIZED

    def inputs(self, given: MixTake) -> Mapping[str, str]:
        """See `Stage.inputs`."""
        return {"recording": given.take.sha256}

    def settings(self, given: MixTake) -> Mapping[str, object]:
        """See `Stage.settings`."""
        channel = given.lane.channel
        return {
            **self._settings,
            "channel": "all" if channel is None else channel,
            "voices": [given.bounds.at_least, given.bounds.at_most],
        }

    def run(self, given: MixTake, on_progress: OnProgress) -> Diarized:
        """Diarize the lane.

        Raises:
            LackError: models, or what runs them, are missing.
            DiarizerError: the diarizer fails on this recording.
            AudioError: the recording cannot be decoded.
        """
        if self._lack is not None:
            raise LackError(self._lack)
        samples = lane_samples(given.lane, given.take.audio().samples)
        try:
            found = self._diarizer.diarize(samples, given.bounds, on_progress)
        except (DiarizerError, SpeechError) as exc:
            if isinstance(exc, DiarizerError) and exc.detail == FAILED:
                raise
            # To search for them takes long, and what is missing is missing for every lane.
            self._lack = lack_of(exc, NOT_TOLD_APART)
            raise LackError(self._lack) from None
        return Diarized(
            engine=self._diarizer.name,
            turns=_turns(found.turns),
            exclusive=_turns(found.exclusive),
        )


def _turns(turns: Sequence[VoiceTurn]) -> tuple[Turn, ...]:
    return tuple(
        Turn(
            voice=f"V{turn.voice + 1}",
            start_s=round(turn.start_s, 3),
            end_s=round(turn.end_s, 3),
        )
        for turn in turns
    )
