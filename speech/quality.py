"""How good one voice sounds: level, clipping, silence, noise and dropouts, a window at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]

WINDOW_S = 10.0
_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50  # 20 ms: shorter than a syllable, longer than a glottal pulse
# A sine at full scale has 0 dBFS (AES17-2020, 3.12.1); its mean power is one half.
_FULL_SCALE_POWER = 0.5
_FLOOR_DBFS = -96.0  # what 16 bits can tell from nothing
_SILENCE_DBFS = -50.0
# A sample within a thousandth of full scale, three times in a row, has been cut off: a natural peak
# touches the top once. Opus may overshoot, so what is beyond full scale counts too.
_CLIPPED = 0.999
_CLIPPED_RUN_SAMPLES = 3
# Zeros for 10 ms with sound cut off before and setting in behind are a hole, not a pause: speech
# fades. Cut off: the 3 ms at the edge are about as loud as the 20 ms that they belong to.
_HOLE_SAMPLES = SAMPLE_RATE_HZ // 100
_EDGE_SAMPLES = 3 * SAMPLE_RATE_HZ // 1000
_EDGE_DBFS = -40.0
_FADE_DB = 10.0
# Noise is what is left in the quietest tenth of the blocks: minimum statistics, R. Martin, "Noise
# power spectral density estimation based on optimal smoothing and minimum statistics" (2001).
_NOISE_PERCENTILE = 10
_ABOVE_NOISE_DB = 6.0  # a block so far above the floor is taken for the voice

# Limits behind the words in `problems`.
QUIET_DBFS = -40.0  # telephone networks aim at -26 dBov for speech (ITU-T P.56, G.168)
CLIPPING_RATIO = 0.001
NOISY_SNR_DB = 10.0  # below it, word error rates of recognisers rise steeply
DROPOUT_RATIO = 0.005
SILENT_RATIO = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What one window of one voice measures. Holds no speech."""

    duration_s: float
    level_dbfs: float | None  # of the blocks that are not silent; None if all are
    peak_dbfs: float
    clipping_ratio: float  # of samples
    silence_ratio: float  # of time
    noise_floor_dbfs: float | None  # None where every block is digital silence
    snr_db: float | None  # voice over noise; None without a voice
    n_dropouts: int
    dropout_s: float  # holes in the sound, and packets that never came

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, worst for a recogniser first; empty where nothing is."""
        if self.silence_ratio >= SILENT_RATIO:
            found = {"silent": True}
        else:
            found = {
                "clipping": self.clipping_ratio > CLIPPING_RATIO,
                "noisy": self.snr_db is not None and self.snr_db < NOISY_SNR_DB,
                "quiet": self.level_dbfs is not None and self.level_dbfs < QUIET_DBFS,
            }
        found["dropouts"] = self.dropout_s > DROPOUT_RATIO * self.duration_s
        return tuple(name for name, is_so in found.items() if is_so)


class QualityMeter:
    """Measures a stream of samples in windows of `WINDOW_S`; keeps one window in memory."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._n_samples = 0
        self._missing: list[int] = []  # lengths of holes where packets never came, in samples

    def push(self, samples: Samples) -> Quality | None:
        """Take the next samples.

        Args:
            samples: Mono PCM at 16 kHz, shape (n_samples,), range [-1.0, 1.0]. Not modified.

        Returns:
            A measurement when a window is full, else None.
        """
        self._pieces.append(samples)
        self._n_samples += len(samples)
        return self.take() if self._n_samples >= WINDOW_S * SAMPLE_RATE_HZ else None

    def missing(self, n_samples: int) -> None:
        """Note that so many samples never came; they count as a dropout, not as silence."""
        if n_samples >= _HOLE_SAMPLES:
            self._missing.append(n_samples)

    def take(self) -> Quality | None:
        """Measure what there is and begin anew; None for less than a second of sound."""
        samples = np.concatenate(self._pieces) if self._pieces else np.zeros(0, dtype=np.float32)
        missing, self._missing = self._missing, []
        self._pieces, self._n_samples = [], 0
        if len(samples) < SAMPLE_RATE_HZ:
            return None
        return measure(samples, missing)


def measure(samples: Samples, missing: list[int] | tuple[int, ...] = ()) -> Quality:
    """Measure one window.

    Args:
        samples: Mono PCM at 16 kHz, shape (n_samples,), at least one block of 20 ms.
        missing: Lengths of holes that no sample stands for, in samples.

    Raises:
        ValueError: fewer samples than a block.
    """
    n_blocks = len(samples) // _BLOCK_SAMPLES
    if n_blocks == 0:
        raise ValueError("quality needs at least 20 ms of sound")
    blocks = samples[: n_blocks * _BLOCK_SAMPLES].reshape(n_blocks, _BLOCK_SAMPLES)
    powers = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    levels_dbfs = _dbfs(powers)
    is_loud = levels_dbfs >= _SILENCE_DBFS
    sounding = levels_dbfs[powers > 0]
    noise_dbfs = float(np.percentile(sounding, _NOISE_PERCENTILE)) if len(sounding) else None
    holes = (*_holes(samples), *missing)
    return Quality(
        duration_s=round((len(samples) + sum(missing)) / SAMPLE_RATE_HZ, 3),
        level_dbfs=round(float(_dbfs(powers[is_loud].mean(keepdims=True))[0]), 1)
        if is_loud.any()
        else None,
        peak_dbfs=round(_peak_dbfs(samples), 1),
        clipping_ratio=round(_clipped(samples) / len(samples), 5),
        silence_ratio=round(float(np.mean(~is_loud)), 3),
        noise_floor_dbfs=_rounded(noise_dbfs),
        snr_db=_rounded(_snr_db(powers, levels_dbfs, noise_dbfs)),
        n_dropouts=len(holes),
        dropout_s=round(sum(holes) / SAMPLE_RATE_HZ, 3),
    )


def _dbfs(power: NDArray[np.float64]) -> NDArray[np.float64]:
    floor = _FULL_SCALE_POWER * 10 ** (_FLOOR_DBFS / 10)
    level: NDArray[np.float64] = 10 * np.log10(np.maximum(power, floor) / _FULL_SCALE_POWER)
    return level


def _peak_dbfs(samples: Samples) -> float:
    peak = float(np.max(np.abs(samples)))
    return max(_FLOOR_DBFS, 20 * float(np.log10(peak))) if peak > 0 else _FLOOR_DBFS


def _snr_db(
    powers: NDArray[np.float64], levels_dbfs: NDArray[np.float64], noise_dbfs: float | None
) -> float | None:
    if noise_dbfs is None:
        return None
    voice = powers[(levels_dbfs > noise_dbfs + _ABOVE_NOISE_DB) & (levels_dbfs >= _SILENCE_DBFS)]
    if not len(voice):
        # A steady sound is all noise, unless it is too soft to be heard at all.
        return 0.0 if noise_dbfs >= _SILENCE_DBFS else None
    noise = _FULL_SCALE_POWER * 10 ** (noise_dbfs / 10)
    # What is measured as voice has the noise in it.
    return float(10 * np.log10(max(voice.mean() - noise, noise * 1e-3) / noise))


def _clipped(samples: Samples) -> int:
    return sum(n for _, n in _runs(np.abs(samples) >= _CLIPPED) if n >= _CLIPPED_RUN_SAMPLES)


def _holes(samples: Samples) -> tuple[int, ...]:
    """Lengths of runs of zeros that begin and end in the middle of sound, in samples."""
    found = []
    for start, n in _runs(samples == 0):
        if n < _HOLE_SAMPLES:
            continue
        before = samples[max(0, start - _BLOCK_SAMPLES) : start][::-1]
        after = samples[start + n : start + n + _BLOCK_SAMPLES]
        if _is_cut(before) and _is_cut(after):
            found.append(n)
    return tuple(found)


def _is_cut(samples: Samples) -> bool:
    """Whether sound begins at full strength with the first of these samples."""
    if not len(samples):
        return False
    edge_dbfs = _level_dbfs(samples[:_EDGE_SAMPLES])
    return edge_dbfs >= _EDGE_DBFS and edge_dbfs >= _level_dbfs(samples) - _FADE_DB


def _level_dbfs(samples: Samples) -> float:
    return float(_dbfs(np.mean(np.square(samples, dtype=np.float64), keepdims=True))[0])


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, length) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
