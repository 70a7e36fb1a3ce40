"""Outlines of sound files, against the samples themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.encode import write_ogg
from speech.errors import AudioError
from speech.outline import outline_file

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"


@pytest.mark.parametrize("name", ["clean-agent.ogg", "clean-stereo.ogg", "paying-customer.ogg"])
def test_outline_of_speech(name: str) -> None:
    """The outline follows the loudest sample of each step of what a decoder gives."""
    outline = outline_file(AUDIO / name, step_s=0.1)
    samples = np.abs(decode(AUDIO / name).samples).max(axis=0)
    step = round(0.1 * SAMPLE_RATE_HZ)
    expected = np.maximum.reduceat(samples, np.arange(0, len(samples), step))
    assert outline.duration_s == pytest.approx(len(samples) / SAMPLE_RATE_HZ, abs=0.05)
    assert abs(len(outline.levels) - len(expected)) <= 1
    n = min(len(outline.levels), len(expected))
    # The file's own rate holds peaks that 16 kHz does not, so it is like and not the same.
    assert np.corrcoef(outline.peaks()[:n], expected[:n])[0, 1] > 0.99
    assert outline.damage is None


def test_place_of_a_noise(tmp_path: Path) -> None:
    """What is loud is loud at its own place."""
    samples = np.zeros((1, 10 * SAMPLE_RATE_HZ), np.float32)
    at = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    samples[0, 4 * SAMPLE_RATE_HZ : 5 * SAMPLE_RATE_HZ] = 0.5 * np.sin(2 * np.pi * 300 * at)
    write_ogg(tmp_path / "a.ogg", samples)
    peaks = outline_file(tmp_path / "a.ogg").peaks()
    loud = np.flatnonzero(peaks > 0.2)
    assert (loud.min(), loud.max()) == (pytest.approx(80, abs=1), pytest.approx(99, abs=1))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("truncated.ogg", "cut off", id="cut"),
        pytest.param("corrupt.ogg", "damaged", id="damaged"),
    ],
)
def test_damaged_file(name: str, said: str) -> None:
    """A damaged file gives what is left of it, and says that something is missing."""
    outline = outline_file(AUDIO / name)
    assert outline.damage == said
    assert len(outline.levels) > 10


def test_file_that_is_no_sound(tmp_path: Path) -> None:
    """A file that holds no sound is named."""
    (tmp_path / "a.ogg").write_bytes(b"nothing of the kind")
    with pytest.raises(AudioError, match=r"a\.ogg: cannot be read as audio"):
        outline_file(tmp_path / "a.ogg")
