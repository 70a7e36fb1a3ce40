"""Quality of a voice: what is wrong with it is found, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.quality import QualityMeter, measure

FIXTURES = Path(__file__).parents[1] / "fixtures" / "audio"
RATE = SAMPLE_RATE_HZ
Samples = NDArray[np.float32]


def sine(level_dbfs: float, seconds: float = 5.0, hz: float = 220.0) -> Samples:
    """A tone; at 0 dBFS it touches full scale."""
    t = np.arange(int(seconds * RATE)) / RATE
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def noise(level_dbfs: float, seconds: float = 5.0) -> Samples:
    """White noise of a mean level."""
    rms = 10 ** (level_dbfs / 20) / np.sqrt(2)
    samples = np.random.default_rng(7).normal(0, rms, int(seconds * RATE))
    return samples.astype(np.float32)


def speechlike(level_dbfs: float, seconds: float = 5.0) -> Samples:
    """A tone in bursts of 0.3 s with pauses of 0.2 s that fade."""
    t = np.arange(int(seconds * RATE)) / RATE
    phase = t % 0.5
    gate = np.clip(np.minimum(phase, 0.3 - phase) / 0.02, 0, 1)
    return (sine(level_dbfs, seconds) * gate).astype(np.float32)


@pytest.mark.parametrize("level_dbfs", [-45.0, -20.0, -3.0])
def test_level_of_a_tone(level_dbfs: float) -> None:
    """A tone's level and peak are what they were made as, by the definition of AES17."""
    found = measure(sine(level_dbfs))
    assert found.level_dbfs == pytest.approx(level_dbfs, abs=0.2)
    assert found.peak_dbfs == pytest.approx(level_dbfs, abs=0.2)
    assert (found.clipping_ratio, found.silence_ratio, found.n_dropouts) == (0.0, 0.0, 0)


def test_clipping() -> None:
    """What was cut off at full scale is counted; a loud sound that was not is fine."""
    overdriven = np.clip(speechlike(6.0), -1.0, 1.0).astype(np.float32)
    assert measure(overdriven).clipping_ratio > 0.2
    assert "clipping" in measure(overdriven).problems
    assert measure(speechlike(-0.5)).clipping_ratio == 0.0


@pytest.mark.parametrize("snr_db", [5.0, 20.0, 35.0])
def test_voice_over_noise(snr_db: float) -> None:
    """The distance between voice and noise is found within three decibels."""
    found = measure(speechlike(-15.0) + noise(-15.0 - snr_db))
    assert found.snr_db == pytest.approx(snr_db, abs=3.0)
    assert ("noisy" in found.problems) == (snr_db < 10)


def test_holes_in_the_sound() -> None:
    """Zeros in the middle of sound are dropouts; pauses of speech and of nobody are not."""
    torn = sine(-15.0)
    for start_s in (1.0, 2.0, 3.0):
        torn[int(start_s * RATE) : int((start_s + 0.06) * RATE)] = 0
    found = measure(torn)
    assert found.n_dropouts == 3
    assert found.dropout_s == pytest.approx(0.18, abs=0.01)
    assert "dropouts" in found.problems
    assert measure(speechlike(-15.0)).n_dropouts == 0


def test_packets_that_never_came() -> None:
    """A hole that no sample stands for counts by its length."""
    meter = QualityMeter()
    meter.push(sine(-15.0, 2.0))
    meter.missing(RATE // 2)
    found = meter.take()
    assert found is not None
    assert (found.n_dropouts, found.dropout_s, found.duration_s) == (1, 0.5, 2.5)


def test_silence() -> None:
    """Digital silence has no level and no noise, and is called silent."""
    found = measure(np.zeros(2 * RATE, dtype=np.float32))
    assert (found.level_dbfs, found.noise_floor_dbfs, found.snr_db) == (None, None, None)
    assert found.silence_ratio == 1.0
    assert found.problems == ("silent",)


def test_quiet() -> None:
    """A voice that is hardly there is called quiet."""
    assert "quiet" in measure(speechlike(-44.0)).problems


def test_windows() -> None:
    """A measurement comes every ten seconds, whatever the chunks, and the rest at the end."""
    meter, found = QualityMeter(), []
    samples = sine(-20.0, 23.0)
    for start in range(0, len(samples), 1024):
        measured = meter.push(samples[start : start + 1024])
        if measured is not None:
            found.append(measured)
    assert [round(each.duration_s) for each in found] == [10, 10]
    rest = meter.take()
    assert rest is not None
    assert rest.duration_s == pytest.approx(3.0, abs=0.2)
    assert meter.take() is None


def test_real_speech() -> None:
    """Clean recorded speech has nothing wrong with it; the noise fixture does."""
    clean = measure(decode(FIXTURES / "clean-agent.ogg").samples[0])
    assert clean.problems == ()
    assert clean.snr_db is not None
    assert clean.snr_db > 20
    hiss = measure(decode(FIXTURES / "noise.ogg").samples[0])
    assert "noisy" in hiss.problems
    assert "silent" in measure(decode(FIXTURES / "silence.ogg").samples[0]).problems


def test_too_short() -> None:
    """Less than a block cannot be measured."""
    with pytest.raises(ValueError, match="20 ms"):
        measure(np.zeros(10, dtype=np.float32))
