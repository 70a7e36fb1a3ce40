"""The outline of a sound."""

from __future__ import annotations

import numpy as np

from offline.waveform import MAX_STEPS, Waveform, levels_of, outline, step_samples


def made(levels: str) -> Waveform:
    return Waveform(speakers=("a",), start_s=0.0, step_s=0.02, levels=levels)


def test_an_outline_has_the_loudest_sample_of_each_step() -> None:
    """Of both signs; the last step may be shorter."""
    samples = np.zeros(16_000 * 60 + 7, np.float32)
    step = step_samples(len(samples))
    samples[3] = 0.5
    samples[step * 2 + 1] = -1.0
    samples[-1] = 0.25
    peaks = made(levels_of(samples)).peaks()
    assert len(peaks) == -(-len(samples) // step) <= MAX_STEPS
    assert abs(peaks[0] - 0.5) < 0.01
    assert peaks[2] == 1.0
    assert abs(peaks[-1] - 0.25) < 0.01
    assert np.count_nonzero(peaks) == 3


def test_channels_together_count_as_loud_as_the_loudest() -> None:
    """A stereo microphone is one picture; a channel by itself is its own."""
    left = np.zeros(3200, np.float32)
    right = left.copy()
    left[0], right[-1] = 1.0, 0.5
    levels = [levels_of(left), levels_of(right)]
    both = made(outline(levels, None)).peaks()
    assert (both[0], round(float(both[-1]), 2)) == (1.0, 0.5)
    assert outline(levels, 1) == levels[1]


def test_no_sound_has_no_outline() -> None:
    """An empty channel is no error."""
    assert len(made(levels_of(np.zeros(0, np.float32))).peaks()) == 0
