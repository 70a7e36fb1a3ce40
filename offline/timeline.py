"""The timeline of a report: geometry of a picture with one lane a speaker."""

from __future__ import annotations

from dataclasses import dataclass

from offline.report import Report, RuleFinding

WIDTH = 1000.0  # of the drawing; the page scales it
_LEFT = 130.0
_RIGHT = 16.0
_LANE = 46.0
_TOP = 10.0
_AXIS = 30.0
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
    """A finding, at its beginning."""

    x: float
    label_x: float  # of its number, moved aside where the one before is in the way
    number: int  # of the finding, from 1
    finding: RuleFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One speaker, or the call as a whole."""

    name: str
    label: str  # the name, shortened to fit
    y: float  # middle
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
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]


def timeline(report: Report) -> Timeline:
    """Lay a report out: lanes of those who speak, and one for what nobody said."""
    length_s = max(1.0, report.call.duration_s)
    scale = (WIDTH - _LEFT - _RIGHT) / length_s

    def x(at_s: float) -> float:
        return round(_LEFT + min(max(at_s, 0.0), length_s) * scale, 1)

    def markers(speaker: str | None) -> tuple[Marker, ...]:
        placed: list[Marker] = []
        for number, found in enumerate(report.findings, start=1):
            if found.speaker == speaker:
                at = x(found.start_s)
                label = max(at, placed[-1].label_x + _LABEL) if placed else at
                placed.append(Marker(x=at, label_x=label, number=number, finding=found))
        return tuple(placed)

    rows: list[tuple[str, tuple[Bar, ...], tuple[Marker, ...]]] = []
    for speaker in report.speakers:
        bars = tuple(
            Bar(x=x(start_s), width=max(_MIN_BAR, round(x(end_s) - x(start_s), 1)))
            for start_s, end_s in speaker.speech
        )
        found = markers(speaker.name)
        if bars or found:
            rows.append((speaker.name, bars, found))
    if markers(None):
        rows.append(("whole call", (), markers(None)))
    lanes = tuple(
        Lane(
            name=name,
            label=name if len(name) <= _MAX_NAME_CHARS else f"{name[: _MAX_NAME_CHARS - 1]}…",
            y=_TOP + (number + 0.5) * _LANE,
            bars=bars,
            markers=found,
        )
        for number, (name, bars, found) in enumerate(rows)
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
        lanes=lanes,
        ticks=tuple(Tick(x=x(i * step_s), at_s=i * step_s) for i in range(n_ticks)),
    )
