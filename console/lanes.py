"""Lanes: a speaker each, with the outline of their voice on the call clock."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from console.call_sound import Sound
from console.reports import Report
from rules.types import Role
from storage.calls import CallParticipant

# Steps of a lane: more than a wide page has pixels, and the page may be drawn eight times as wide.
MAX_STEPS = 4000
_FINEST_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A speaker.

    Attributes:
        number: From 0.
        name: As it may be shown.
        checked_s: How much of their speech the audit checked; None without an audit.
        sounds: Ids of the recordings that hold their voice.
        is_mix: Their voice is recorded together with others'.
    """

    number: int
    name: str
    role: Role | None
    speech_s: float | None
    checked_s: float | None
    speech: tuple[tuple[float, float], ...] = field(repr=False)
    sounds: tuple[str, ...]
    is_mix: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Levels along a part of the call clock.

    Attributes:
        levels: Shape (n_steps,), 255 = full scale.
    """

    start_s: float
    step_s: float
    levels: NDArray[np.uint8] = field(repr=False)


def lanes_of(
    report: Report | None,
    participants: Sequence[CallParticipant],
    shown: Mapping[str, str],
    sounds: Sequence[Sound],
    flagged: Sequence[str],
) -> tuple[Lane, ...]:
    """The lanes of a call, in the order of the report, or of arrival.

    Args:
        report: None where there is none.
        participants: Of the call.
        shown: Names to show, by identity.
        sounds: Recordings of the call.
        flagged: Names of whoever is flagged.
    """
    roles = {shown[each.identity]: each.role for each in participants if each.identity in shown}
    told = {each.name: each for each in (report.speakers if report is not None else ())}
    voices = [name for sound in sounds for name in sound.names]
    spoke = {name for name, each in told.items() if each.speech or each.n_utterances}
    wanted = spoke | set(voices) | set(flagged)
    if report is None:
        wanted |= {name for name, role in roles.items() if role is not Role.SUPERVISOR}
    order = [name for name in dict.fromkeys((*told, *roles, *voices, *flagged)) if name in wanted]
    lanes = []
    for number, name in enumerate(order):
        own = [sound for sound in sounds if name in sound.names]
        mixed = [sound for sound in sounds if not own and len(sound.names) != 1]
        speaker = told.get(name)
        lanes.append(
            Lane(
                number=number,
                name=name,
                role=speaker.role if speaker is not None else roles.get(name),
                speech_s=speaker.speech_s if speaker is not None else None,
                checked_s=speaker.checked_s if speaker is not None else None,
                speech=speaker.speech if speaker is not None else (),
                sounds=tuple(sound.id for sound in own or mixed),
                is_mix=not own or any(len(sound.names) > 1 for sound in own),
            )
        )
    return tuple(lanes)


def report_strips(report: Report, lane: Lane) -> tuple[Strip, ...]:
    """The outlines that a report has of a lane's voice; empty where it has none.

    Of a mix, what lies outside of the speaker's own speech is left out.
    """
    own = [each for each in report.waveforms if each.speakers == (lane.name,)]
    mixes = [each for each in report.waveforms if lane.name in each.speakers] if not own else []
    if not own and not mixes and len(report.waveforms) == 1 and lane.is_mix:
        mixes = list(report.waveforms)
    strips = []
    for each in own or mixes:
        if each.step_s <= 0:
            continue
        levels = each.bytes_a_step()
        if not own:
            levels = _where_they_speak(levels, each.start_s, each.step_s, lane.speech)
        strips.append(Strip(start_s=each.start_s, step_s=each.step_s, levels=levels))
    return tuple(strips)


def _where_they_speak(
    levels: NDArray[np.uint8], start_s: float, step_s: float, speech: Sequence[tuple[float, float]]
) -> NDArray[np.uint8]:
    kept = np.zeros_like(levels)
    for begin_s, end_s in speech:
        first = max(0, math.floor((begin_s - start_s) / step_s))
        last = max(0, math.ceil((end_s - start_s) / step_s))
        kept[first:last] = levels[first:last]
    return kept


def n_steps_of(duration_s: float) -> int:
    """How many steps a lane of a call of this length has."""
    return max(1, min(MAX_STEPS, math.ceil(duration_s / _FINEST_S)))


def on_call_clock(strips: Sequence[Strip], duration_s: float) -> NDArray[np.uint8]:
    """One row of levels from the beginning of the call to its end; the loudest counts.

    Args:
        strips: Of one lane; they may overlap.
        duration_s: Of the call.

    Returns:
        Shape (n_steps_of(duration_s),).
    """
    n_steps = n_steps_of(duration_s)
    row = np.zeros(n_steps, np.uint8)
    if duration_s <= 0:
        return row
    step_s = duration_s / n_steps
    for strip in strips:
        if not len(strip.levels):
            continue
        starts = strip.start_s + np.arange(len(strip.levels)) * strip.step_s
        first = np.clip(np.floor(starts / step_s), 0, n_steps - 1).astype(np.int64)
        # A step of a report may be longer than one of the row: it fills all that it lies on.
        last = np.clip(np.ceil((starts + strip.step_s) / step_s) - 1, first, n_steps - 1).astype(
            np.int64
        )
        for shift in range(int((last - first).max()) + 1):
            at = np.minimum(first + shift, last)
            np.maximum.at(row, at, strip.levels)
    return row


def as_text(levels: NDArray[np.uint8]) -> str:
    """Levels as base64, one byte a step."""
    return b64encode(levels.tobytes()).decode("ascii")
