"""Decode: how long a recording is, and whether it is whole.

That and the outline of the sound are kept, and not the samples, which are twenty times as large as
the file and decoded again in a fraction of the time that any model needs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from offline.stages.records import Decoded
from offline.stages.stage import OnProgress, Stage
from offline.stages.take import Take
from offline.waveform import levels_of, step_samples
from speech.audio import SAMPLE_RATE_HZ
from speech.spool import blocks

_DECODED = TypeAdapter(Decoded)
# Channels of one room, however it is mixed, go up and down together. Below this correlation they
# are different people's.
_APART = 0.5
_ENVELOPE_SAMPLES = SAMPLE_RATE_HZ // 20


class DecodeStage(Stage[Take, Decoded]):
    """Decodes a recording whole."""

    name = "decode"
    version = 2

    @property
    def made(self) -> TypeAdapter[Decoded]:
        """See `Stage.made`."""
        return _DECODED

    def inputs(self, given: Take) -> Mapping[str, str]:
        """See `Stage.inputs`."""
        return {"recording": given.sha256}

    def settings(self, given: Take) -> Mapping[str, object]:
        """See `Stage.settings`."""
        return {"sample_rate_hz": SAMPLE_RATE_HZ}

    def run(self, given: Take, on_progress: OnProgress) -> Decoded:
        """Decode the file.

        Raises:
            AudioError: nothing in it can be decoded.
        """
        audio = given.audio()
        return Decoded(
            duration_s=audio.duration_s,
            n_channels=len(audio.samples),
            are_channels_apart=are_apart(audio.samples),
            damage=audio.damage,
            step_s=round(step_samples(audio.samples.shape[1]) / SAMPLE_RATE_HZ, 6),
            levels=tuple(map(levels_of, audio.samples)),
        )


def are_apart(samples: NDArray[np.float32]) -> bool:
    """Whether channels hold different sound: no two of them get louder and quieter together.

    Args:
        samples: Shape (n_channels, n_samples).
    """
    n_windows = samples.shape[1] // _ENVELOPE_SAMPLES
    if len(samples) == 1 or n_windows < 2:
        return False
    whole = samples[:, : n_windows * _ENVELOPE_SAMPLES]
    loudness = np.concatenate(
        [
            np.abs(block).reshape(len(samples), -1, _ENVELOPE_SAMPLES).mean(axis=2)
            for block in blocks(whole)
        ],
        axis=1,
    )
    if (loudness.std(axis=1) == 0).any():
        return True  # a channel with nothing in it: the other one has it all
    likeness = np.corrcoef(loudness)
    return bool((likeness[~np.eye(len(samples), dtype=bool)] < _APART).all())
