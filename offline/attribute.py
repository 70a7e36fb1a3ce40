"""Who speaks in which channel of which recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from offline.errors import SpeakerNamesError


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One speaker's sound in one recording."""

    speaker: str
    samples: NDArray[np.float32] = field(repr=False)  # shape (n_samples,), 16 kHz


def voices_of_participant(identity: str, samples: NDArray[np.float32]) -> tuple[Voice, ...]:
    """A recording of one participant: whatever is heard in it, they said.

    Args:
        identity: The participant.
        samples: Shape (n_channels, n_samples). Channels are averaged: a stereo microphone is still
            one person.
    """
    mono = samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float32)
    return (Voice(speaker=identity, samples=mono),)


def voices_of_channels(names: Sequence[str], samples: NDArray[np.float32]) -> tuple[Voice, ...]:
    """A recording with one speaker a channel.

    Args:
        names: As many as there are channels.
        samples: Shape (n_channels, n_samples).
    """
    return tuple(
        Voice(speaker=name, samples=channel) for name, channel in zip(names, samples, strict=True)
    )


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
