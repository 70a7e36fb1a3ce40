"""Whose a voice is: the one person on the call who spoke whenever it is heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from offline.attribute import LaneVoices, NamedTurn
from offline.call import Call, Source
from offline.lanes import Lane
from offline.stages.records import Diarized, Turn
from rules.types import Role, Span

_STEP_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionOptions:
    """When a voice is somebody's."""

    # Of what a voice says, so much at least is heard live from the person.
    min_share_ratio: float = 0.5
    # And so much more than from whoever comes next: two people may talk at once for a while.
    min_margin_ratio: float = 0.2
    # A voice that is heard for less says nothing about whose it is.
    min_voice_s: float = 1.0


DEFAULT = AttributionOptions()


class TimelineAttributor:
    """Gives voices to people by when they spoke, as the live side heard it. No voice is enrolled.

    Args:
        options: See `AttributionOptions`.
    """

    def __init__(self, options: AttributionOptions = DEFAULT) -> None:
        self._options = options

    def describe(self) -> Mapping[str, object]:
        """See `Attributor.describe`."""
        return {"attribution": "live timeline", **asdict(self._options)}

    def attribute(self, diarized: Diarized, source: Source, lane: Lane, call: Call) -> LaneVoices:
        """See `Attributor.attribute`."""
        voices = tuple(dict.fromkeys(turn.voice for turn in diarized.turns))
        if not voices:
            people = tuple(member.identity for member in call.members)
            return LaneVoices(speakers=people or (lane.speaker,), turns=())
        found = self._found(diarized, voices, source, call)
        names = {
            voice: found.get(voice) or _label(number, len(voices), source, lane, call)
            for number, voice in enumerate(voices, start=1)
        }
        n_unknown = len(voices) - len(found) if call.members else 0
        speakers = tuple(dict.fromkeys(names.values()))
        if call.members and not n_unknown:
            # Everybody would have been heard: who is not, was silent.
            speakers = tuple(dict.fromkeys([*speakers, *(m.identity for m in call.members)]))
        return LaneVoices(
            speakers=speakers,
            turns=_named(diarized.turns, names),
            exclusive=_named(diarized.exclusive, names),
            n_unknown=n_unknown,
        )

    def _found(
        self, diarized: Diarized, voices: Sequence[str], source: Source, call: Call
    ) -> Mapping[str, str]:
        """The identity of each voice that is somebody's."""
        heard = call.live.speech if call.live is not None else ()
        if heard:
            of_voice: dict[str, list[Span]] = {voice: [] for voice in voices}
            for turn in diarized.turns:
                of_voice[turn.voice].append(source.clock.span(turn.start_s, turn.end_s))
            return owners(of_voice, heard, self._options)
        people = [m.identity for m in call.members if m.role is not Role.SUPERVISOR]
        if len(people) == len(voices) == 1:
            return {voices[0]: people[0]}  # nobody else was there
        return {}


def owners(
    voices: Mapping[str, Sequence[Span]],
    heard: Sequence[tuple[str, Span]],
    options: AttributionOptions = DEFAULT,
) -> Mapping[str, str]:
    """Whose each voice is.

    First everybody gets one voice at most, so that together they overlap best (the Hungarian
    method). A voice that is left over is one of a person who was taken for two, or one of several
    people behind one telephone: it goes to whom it clearly overlaps.

    Args:
        voices: Where each voice speaks, call clock.
        heard: Who spoke when, as the live side heard it.
        options: See `AttributionOptions`.

    Returns:
        Identities by voice; whoever is nobody's for sure is left out.
    """
    from scipy.optimize import linear_sum_assignment  # half a second: only where voices are named

    people = list(dict.fromkeys(identity for identity, _ in heard))
    names = list(voices)
    if not people or not names:
        return {}
    first_s = min(span.start_s for _, span in heard)
    end_s = max(
        max(span.end_s for _, span in heard),
        max((span.end_s for spans in voices.values() for span in spans), default=0.0),
    )
    n_steps = int(end_s / _STEP_S) + 1
    # Before the live side heard anything, it cannot say who spoke.
    begin = int(first_s / _STEP_S)
    spoken = np.stack([_raster(voices[name], n_steps) for name in names])[:, begin:]
    known = np.stack(
        [_raster([s for who, s in heard if who == person], n_steps) for person in people]
    )[:, begin:]
    overlap = (spoken.astype(np.float32) @ known.T.astype(np.float32)) * _STEP_S
    length_s = spoken.sum(axis=1) * _STEP_S
    share = overlap / np.maximum(length_s, _STEP_S)[:, None]

    def is_sure(row: int, column: int) -> bool:
        others = np.delete(share[row], column)
        margin = share[row, column] - (others.max() if len(others) else 0.0)
        return bool(
            length_s[row] >= options.min_voice_s
            and share[row, column] >= options.min_share_ratio
            and margin >= options.min_margin_ratio
        )

    rows, columns = linear_sum_assignment(overlap, maximize=True)
    pairs = {int(row): int(column) for row, column in zip(rows, columns, strict=True)}
    for row in range(len(names)):
        pairs.setdefault(row, int(share[row].argmax()))
    return {names[row]: people[column] for row, column in pairs.items() if is_sure(row, column)}


def _raster(spans: Sequence[Span], n_steps: int) -> NDArray[np.bool_]:
    steps = np.zeros(n_steps, dtype=np.bool_)
    for span in spans:
        steps[round(span.start_s / _STEP_S) : round(span.end_s / _STEP_S)] = True
    return steps


def _named(turns: Sequence[Turn], names: Mapping[str, str]) -> tuple[NamedTurn, ...]:
    return tuple(
        NamedTurn(speaker=names[turn.voice], start_s=turn.start_s, end_s=turn.end_s)
        for turn in turns
    )


def _label(number: int, n_voices: int, source: Source, lane: Lane, call: Call) -> str:
    """What a voice is called that is nobody's: different for each voice of the call."""
    mixes = [each for each in call.sources if each.is_mix]
    if call.source == "files":
        if n_voices == 1:
            return lane.speaker  # one person: the file's own name is theirs
        is_only = len(mixes) == len(source.speakers) == 1
        return f"Voice {number}" if is_only else f"{lane.speaker}, voice {number}"
    inner = f"Voice {number}" if lane.channel is None else f"Voice {lane.number + 1}.{number}"
    return inner if len(mixes) == 1 else f"{inner} of {source.id}"
