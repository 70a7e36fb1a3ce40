"""Who speaks where in a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from offline.call import Call, Source
from offline.diarization.turns import VoiceBounds
from offline.errors import SpeakerNamesError
from offline.lanes import Lane
from offline.stages.records import Diarized, HeardWord


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTurn:
    """Somebody speaks, on the recording's clock. Turns of several speakers may overlap."""

    speaker: str = field(repr=False)
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneVoices:
    """Who speaks in a lane, and where."""

    # Everybody who would be heard in it, also who is silent; at least one.
    speakers: tuple[str, ...] = field(repr=False)
    # In time order. None where there is one speaker: whatever is heard, they said.
    turns: tuple[NamedTurn, ...] | None = None
    # The same with one speaker at a time, for words; None where `turns` has no overlaps.
    exclusive: tuple[NamedTurn, ...] | None = None
    n_unknown: int = 0  # voices that could be nobody's although people are known


class Attributor(Protocol):
    """Gives the voices of a mix their names."""

    def describe(self) -> Mapping[str, object]:
        """All that decides how, as JSON."""

    def attribute(self, diarized: Diarized, source: Source, lane: Lane, call: Call) -> LaneVoices:
        """Name each voice, or call it unknown. Runs each time, so it must not take long.

        Args:
            diarized: The voices of the lane.
            source: The recording; its clock puts it on the call clock.
            lane: Where in the recording.
            call: Who was on it, and when they spoke as far as live knows.
        """


def speakers_of(words: Sequence[HeardWord], voices: LaneVoices) -> tuple[str, ...]:
    """Who said each word: whose turn covers most of it, else whose turn is nearest.

    Args:
        words: Of one lane, in time order.
        voices: Of the same lane.
    """
    turns = voices.exclusive or voices.turns
    if not turns:
        return tuple(voices.speakers[0] for _ in words)
    return tuple(max(turns, key=_closeness(word)).speaker for word in words)


def _closeness(word: HeardWord) -> Callable[[NamedTurn], float]:
    """Seconds that a turn shares with the word; below 0, how far away it is."""
    return lambda turn: min(turn.end_s, word.end_s) - max(turn.start_s, word.start_s)


def voices_on(call: Call) -> VoiceBounds:
    """How many voices a mix of a call can hold: no more than people were there."""
    if not call.members:
        return VoiceBounds()
    return VoiceBounds(at_most=max(2, len(call.members)))


def channel_names(stem: str, n_channels: int) -> tuple[str, ...]:
    """Names for the channels of a file that nobody named.

    >>> channel_names("agent", 1), channel_names("call", 2)
    (('agent',), ('call#1', 'call#2'))
    """
    if n_channels == 1:
        return (stem,)
    return tuple(f"{stem}#{number}" for number in range(1, n_channels + 1))


def named(given: Sequence[str], by_file: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The names of all speakers, file by file: the ones given, else the files' own.

    Args:
        given: Names in the order of files and channels, or none.
        by_file: What each file's channels are called if nobody names them.

    Raises:
        SpeakerNamesError: there are more or fewer names than channels, or a name comes twice.
    """
    n_channels = sum(len(names) for names in by_file)
    if given and len(given) != n_channels:
        raise SpeakerNamesError(
            f"--speaker was given {len(given)} times for {n_channels} channels of audio; "
            "give one name a channel, or none"
        )
    rest = iter(given or [name for names in by_file for name in names])
    chosen = tuple(tuple(next(rest) for _ in names) for names in by_file)
    repeated = [
        n for n, count in Counter(n for names in chosen for n in names).items() if count > 1
    ]
    if repeated:
        raise SpeakerNamesError(
            f"two speakers are named {repeated[0]!r}; name them apart by --speaker"
        )
    if any(not name.strip() for names in chosen for name in names):
        raise SpeakerNamesError("--speaker: a name is empty; give each speaker one")
    return chosen
