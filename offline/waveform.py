"""The outline of a sound: how loud it is, step by step, for a picture of it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from speech.audio import SAMPLE_RATE_HZ
from speech.spool import BLOCK_SAMPLES, blocks

MAX_STEPS = 1000  # more than a page is wide
MIN_STEP_SAMPLES = SAMPLE_RATE_HZ // 50  # 20 ms


@dataclass(
    frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False)
)
class Waveform:
    """How loud a voice, or a mix of voices, is over time.

    Attributes:
        speakers: Whose voices it holds; one, but for a mix.
        start_s: Call clock.
        step_s: Length of a step.
        levels: Base64 of one byte a step: the largest sample, 255 = full scale.
    """

    speakers: tuple[str, ...]
    start_s: float
    step_s: float
    levels: str

    def peaks(self) -> NDArray[np.float32]:
        """The largest sample of each step, shape (n_steps,), in [0.0, 1.0]."""
        return _decoded(self.levels).astype(np.float32) / 255.0


def step_samples(n_samples: int) -> int:
    """How many samples one step of an outline stands for."""
    return max(MIN_STEP_SAMPLES, -(-n_samples // MAX_STEPS))


def levels_of(samples: NDArray[np.float32]) -> str:
    """The outline of one channel, as `Waveform.levels` has it.

    Args:
        samples: Shape (n_samples,), at 16 kHz, range [-1.0, 1.0]. Not modified.
    """
    if not len(samples):
        return ""
    step = step_samples(len(samples))
    peaks = np.concatenate(
        [_peaks(block, step) for block in blocks(samples, step * max(1, BLOCK_SAMPLES // step))]
    )
    return _encoded(np.clip(np.ceil(peaks * 255), 0, 255).astype(np.uint8))


def _peaks(samples: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    starts = np.arange(0, len(samples), step)
    highest = np.maximum.reduceat(samples, starts)
    peaks: NDArray[np.float32] = np.maximum(highest, -np.minimum.reduceat(samples, starts))
    return peaks


def outline(levels: Sequence[str], channel: int | None) -> str:
    """The outline of a lane.

    Args:
        levels: Of all channels.
        channel: Which one; None = all together, the loudest counts.
    """
    if channel is not None:
        return levels[channel]
    return _encoded(np.max([_decoded(each) for each in levels], axis=0))


def _encoded(levels: NDArray[np.uint8]) -> str:
    return b64encode(levels.tobytes()).decode("ascii")


def _decoded(levels: str) -> NDArray[np.uint8]:
    return np.frombuffer(b64decode(levels), np.uint8)
