"""The timeline of a report: geometry of a picture with one lane a speaker.

A lane shows how loud the speaker is, below it bars where they speak, and what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.report import Report, RuleFinding, Speaker

WIDTH = 1000.0  # of the drawing; the page scales it
_LEFT = 130.0
_RIGHT = 16.0
_LANE = 88.0
_TOP = 6.0
_AXIS = 30.0
# From the middle of the waveform, which lies in the middle of its lane.
_WAVE_HALF = 20.0
_BAR_BELOW = 24.0
_LABEL_ABOVE = 31.0
# Columns of a waveform: a quarter of what a wide screen has pixels for, and still smooth.
_COLUMNS = 420
# What is quieter is the noise of a room or of an encoder, not a voice.
_NOISE = 0.012
# Loudness as it is heard: with the samples as they are, quiet speech would be a flat line.
_LOUDNESS_EXPONENT = 0.6
# Seconds between ticks; the first that gives few enough.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MAX_TICKS = 12
# Narrower would not be seen.
_MIN_BAR = 2.0
_LABEL = 20.0
_MAX_NAME_CHARS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Somebody speaks."""

    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A finding: where it lies, and its number above its beginning."""

    x: float
    width: float
    label_x: float  # of its number, moved aside where the one before is in the way
    number: int  # of the finding, from 1
    finding: RuleFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One speaker, or the call as a whole."""

    name: str
    label: str  # the name, shortened to fit
    y: float  # middle of the waveform
    wave: str  # outline of the sound, as the path of a picture; empty where there is none
    bars: tuple[Bar, ...]
    markers: tuple[Marker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A position on the time axis."""

    x: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Everything that is drawn."""

    width: float
    height: float
    left: float
    right: float
    axis_y: float
    wave_half: float
    bar_below: float
    label_above: float
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]


def timeline(report: Report) -> Timeline:
    """Lay a report out: lanes of those who speak, and one for what nobody said."""
    length_s = max(1.0, report.call.duration_s)
    scale = (WIDTH - _LEFT - _RIGHT) / length_s

    def x(at_s: float) -> float:
        return round(_LEFT + min(max(at_s, 0.0), length_s) * scale, 1)

    rows: list[tuple[str, Speaker | None, tuple[Marker, ...]]] = []
    for speaker in report.speakers:
        found = tuple(_markers(report, speaker.name, x))
        if speaker.speech or found:
            rows.append((speaker.name, speaker, found))
    of_all = tuple(_markers(report, None, x))
    if of_all:
        rows.append(("whole call", None, of_all))
    lanes = tuple(
        Lane(
            name=name,
            label=name if len(name) <= _MAX_NAME_CHARS else f"{name[: _MAX_NAME_CHARS - 1]}…",
            y=_TOP + number * _LANE + _LABEL_ABOVE + 12,
            wave=_wave(report, speaker, length_s, _TOP + number * _LANE + _LABEL_ABOVE + 12),
            bars=tuple(
                Bar(x=x(start_s), width=max(_MIN_BAR, round(x(end_s) - x(start_s), 1)))
                for start_s, end_s in (speaker.speech if speaker else ())
            ),
            markers=found,
        )
        for number, (name, speaker, found) in enumerate(rows)
    )
    step_s = next((s for s in _STEPS_S if length_s / s <= _MAX_TICKS), length_s / _MAX_TICKS)
    n_ticks = int(length_s / step_s) + 1
    axis_y = _TOP + len(lanes) * _LANE
    return Timeline(
        width=WIDTH,
        height=axis_y + _AXIS,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        axis_y=axis_y,
        wave_half=_WAVE_HALF,
        bar_below=_BAR_BELOW,
        label_above=_LABEL_ABOVE,
        lanes=lanes,
        ticks=tuple(Tick(x=x(i * step_s), at_s=i * step_s) for i in range(n_ticks)),
    )


def _markers(report: Report, speaker: str | None, x: Callable[[float], float]) -> Iterator[Marker]:
    label: float | None = None
    for number, found in enumerate(report.findings, start=1):
        if found.speaker != speaker:
            continue
        at = x(found.start_s)
        label = at if label is None else max(at, label + _LABEL)
        width = max(_MIN_BAR, round(x(found.end_s) - at, 1))
        yield Marker(x=at, width=width, label_x=label, number=number, finding=found)


def _wave(report: Report, speaker: Speaker | None, length_s: float, y: float) -> str:
    """The outline of all sound of a speaker, as an SVG path around a middle line."""
    if speaker is None:
        return ""
    loudness = np.zeros(_COLUMNS, np.float32)
    column_s = length_s / _COLUMNS
    for outline in report.waveforms:
        if speaker.name not in outline.speakers:
            continue
        peaks = outline.peaks()
        starts_s = outline.start_s + np.arange(len(peaks)) * outline.step_s
        if len(outline.speakers) > 1:
            # A mix: what is heard while somebody else speaks is not theirs.
            peaks = np.where(_within(starts_s + outline.step_s / 2, speaker.speech), peaks, 0.0)
        first = np.clip((starts_s / column_s).astype(int), 0, _COLUMNS - 1)
        np.maximum.at(loudness, first, peaks)
        # Where steps are wider than columns, each fills the columns up to the next one.
        for more in range(1, int(outline.step_s / column_s) + 1):
            np.maximum.at(loudness, np.clip(first + more, 0, _COLUMNS - 1), peaks)
    loudness[loudness <= _NOISE] = 0.0
    if not loudness.any():
        return ""
    heights = (loudness / loudness.max()) ** _LOUDNESS_EXPONENT * _WAVE_HALF
    xs = _LEFT + (np.arange(_COLUMNS) + 0.5) * (WIDTH - _LEFT - _RIGHT) / _COLUMNS
    upper = [f"{at:.1f} {y - height:.1f}" for at, height in zip(xs, heights, strict=True)]
    lower = [f"{at:.1f} {y + height:.1f}" for at, height in zip(xs, heights, strict=True)]
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"


def _within(at_s: NDArray[np.floating], spans: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(at_s), np.bool_)
    for start_s, end_s in spans:
        inside |= (at_s >= start_s) & (at_s < end_s)
    return inside
