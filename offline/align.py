"""Puts a recording on the call clock better than its recorder knew, by who was heard when.

A file's own start is told by whoever recorded it, and is reported to be off by hundreds of
milliseconds at times. The live side has heard the same people on the call clock: where loudness of
the recording and their speech fit best, there the recording lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from offline.call import Call, Source
from offline.stages.align import CallTake
from offline.stages.records import Aligned
from rules.types import Span
from speech.audio import SAMPLE_RATE_HZ
from speech.spool import blocks

_STEP_S = 0.02
_STEP_SAMPLES = int(_STEP_S * SAMPLE_RATE_HZ)
# Quieter than the loud parts by this much is no speech of theirs.
_RANGE_DB = 35.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignOptions:
    """When a recording is moved."""

    search_s: float = 10.0  # to both sides
    # More than this is no clock that is off but another recording, or another call.
    most_s: float = 3.0
    # Words of the live side begin and end up to so much beside the sound.
    least_s: float = 0.15
    min_speech_s: float = 5.0  # that the live side heard of the people in the recording
    min_likeness: float = 0.4  # correlation of loudness and speech at the best place
    min_lead: float = 0.08  # above the best place that is at least half a second away
    # Clocks of two machines that run apart: told of, and not mended.
    drift_window_s: float = 120.0


DEFAULT = AlignOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Where one sound fits a row of spans best."""

    shift_s: float  # how much later than assumed the sound lies
    likeness: float  # correlation there, in [-1.0, 1.0]
    lead: float  # above the best place elsewhere


class TimelineAligner:
    """Aligns recordings against the live side's speech timeline.

    Args:
        options: See `AlignOptions`.
    """

    def __init__(self, options: AlignOptions = DEFAULT) -> None:
        self._options = options

    def describe(self) -> Mapping[str, object]:
        """See `Aligner.describe`."""
        return {"alignment": "live timeline", **asdict(self._options)}

    def reads(self, given: CallTake) -> object:
        """See `Aligner.reads`."""
        return [[span.start_s, span.end_s] for span in _heard(given.take.source, given.call)]

    def align(self, given: CallTake) -> Aligned:
        """See `Aligner.align`."""
        options = self._options
        source = given.take.source
        told_s = source.clock.offset_s
        heard = _heard(source, given.call)
        if sum(span.duration_s for span in heard) < options.min_speech_s:
            return Aligned(offset_s=told_s, method="manifest")
        loudness = loudness_of(given.take.audio().samples)
        fit = best_fit(loudness, heard, told_s, options)
        if fit is None:
            return Aligned(offset_s=told_s, method="manifest")
        confidence = round(max(0.0, fit.likeness), 3)
        if abs(fit.shift_s) > options.most_s:
            return Aligned(
                offset_s=told_s,
                method="refused",
                found_s=round(fit.shift_s, 3),
                confidence=confidence,
            )
        # A recording never begins before its call.
        offset_s = max(0.0, told_s + fit.shift_s)
        is_moved = abs(fit.shift_s) >= options.least_s
        return Aligned(
            offset_s=round(offset_s, 3) if is_moved else told_s,
            method="timeline",
            found_s=round(fit.shift_s, 3),
            confidence=confidence,
            drift_s=drift(loudness, heard, told_s + fit.shift_s, options),
        )


def _heard(source: Source, call: Call) -> tuple[Span, ...]:
    """Where the live side heard whoever is in the recording."""
    if call.live is None:
        return ()
    return tuple(span for who, span in call.live.speech if source.is_mix or who in source.speakers)


def loudness_of(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """How loud a recording is every 20 ms, from 0.0 (as good as silent) to 1.0.

    Args:
        samples: Shape (n_channels, n_samples).
    """
    n_steps = samples.shape[1] // _STEP_SAMPLES
    found = [_power(block) for block in blocks(samples[:, : n_steps * _STEP_SAMPLES])]
    power = np.concatenate(found) if found else np.zeros(0, dtype=np.float64)
    level_db = 10 * np.log10(power / _STEP_SAMPLES + 1e-10)
    top_db = float(np.percentile(level_db, 95)) if n_steps else 0.0
    result: NDArray[np.float32] = np.clip((level_db - top_db) / _RANGE_DB + 1.0, 0.0, 1.0).astype(
        np.float32
    )
    return result


def _power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """The loudest channel every 20 ms: a sum of squares."""
    steps = samples.reshape(len(samples), -1, _STEP_SAMPLES)
    power: NDArray[np.float64] = np.einsum("cij,cij->ci", steps, steps, dtype=np.float64).max(
        axis=0
    )
    return power


def best_fit(
    loudness: NDArray[np.float32],
    heard: Sequence[Span],
    offset_s: float,
    options: AlignOptions = DEFAULT,
) -> Fit | None:
    """Where a sound fits best.

    Args:
        loudness: Every 20 ms of the recording.
        heard: Where its people were heard, call clock.
        offset_s: Where the recording is assumed to begin, call clock.
        options: See `AlignOptions`.

    Returns:
        The best place, or None where no place stands out.
    """
    margin = int(options.search_s / _STEP_S)
    n = len(loudness)
    # What was heard on the recording's own clock, with room to both sides.
    known = _raster(heard, offset_s - margin * _STEP_S, n + 2 * margin)
    if n < 2 or loudness.std() == 0 or not known.any():
        return None
    centred = loudness - loudness.mean()
    # Dividing by the spread under the window makes places with much and with little speech equal.
    products = _correlated(known, centred)
    ones = np.cumsum(np.concatenate(([0.0], known)))
    share = (ones[n:] - ones[:-n]) / n
    spread = np.sqrt(np.maximum(share * (1 - share), 1e-9))
    likeness = products / (n * spread * float(loudness.std()))
    likeness[share * n * _STEP_S < options.min_speech_s / 2] = -1.0
    best = int(likeness.argmax())
    near = int(0.5 / _STEP_S)
    elsewhere = np.concatenate((likeness[: max(0, best - near)], likeness[best + near + 1 :]))
    lead = float(likeness[best] - elsewhere.max()) if len(elsewhere) else 0.0
    if likeness[best] < options.min_likeness or lead < options.min_lead:
        return None
    return Fit(shift_s=(best - margin) * _STEP_S, likeness=float(likeness[best]), lead=lead)


def drift(
    loudness: NDArray[np.float32],
    heard: Sequence[Span],
    offset_s: float,
    options: AlignOptions = DEFAULT,
) -> float | None:
    """By how much the end of a recording lies later than its beginning says.

    Args:
        loudness: Every 20 ms of the recording.
        heard: Where its people were heard, call clock.
        offset_s: Where the recording begins, call clock.
        options: See `AlignOptions`.

    Returns:
        Seconds over the whole recording, below 0 where its clock runs slow; None where fewer than
        three windows of it can be placed.
    """
    length = int(options.drift_window_s / _STEP_S)
    found: list[tuple[float, float]] = []
    for start in range(0, len(loudness) - length // 2, length):
        window = loudness[start : start + length]
        fit = best_fit(window, heard, offset_s + start * _STEP_S, options)
        if fit is not None and abs(fit.shift_s) <= options.most_s:
            found.append(((start + len(window) / 2) * _STEP_S, fit.shift_s))
    if len(found) < 3:
        return None
    at_s, shift_s = np.array(found).T
    # The median of the slopes of all pairs: one window that was placed wrongly does no harm.
    rows, columns = np.triu_indices(len(at_s), k=1)
    slope = float(np.median((shift_s[columns] - shift_s[rows]) / (at_s[columns] - at_s[rows])))
    return round(slope * len(loudness) * _STEP_S, 3)


def _raster(spans: Sequence[Span], begin_s: float, n_steps: int) -> NDArray[np.float64]:
    steps = np.zeros(n_steps, dtype=np.float64)
    for span in spans:
        start = max(0, round((span.start_s - begin_s) / _STEP_S))
        end = max(0, round((span.end_s - begin_s) / _STEP_S))
        steps[start:end] = 1.0
    return steps


def _correlated(known: NDArray[np.float64], centred: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of products at each place of the shorter row within the longer one, by FFT."""
    size = 1 << (len(known) + len(centred)).bit_length()
    spectrum = np.fft.rfft(known, size) * np.conj(np.fft.rfft(centred, size))
    products: NDArray[np.float64] = np.fft.irfft(spectrum, size)[: len(known) - len(centred) + 1]
    return products
