"""Lanes: which of a recording's channels are heard on their own, and whom they hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from offline.call import Source
from offline.stages.records import Decoded
from speech.spool import mono


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Sound of a recording that is transcribed as one."""

    number: int  # from 0, within the recording
    channel: int | None  # None = all channels together
    # Who speaks in it. For a mix of several people, who is not told apart.
    speaker: str = field(repr=False)


def lanes_of(source: Source, decoded: Decoded) -> tuple[Lane, ...]:
    """The lanes of a recording.

    A recording of one participant is one lane: a stereo microphone is still one person. One with a
    speaker for each channel has as many lanes, and so has a mix whose channels hold different
    people, such as the agent on the left and everybody else on the right.
    """
    if len(source.speakers) == 1:
        if source.is_mix and decoded.are_channels_apart:
            return tuple(
                Lane(number=number, channel=number, speaker=source.speakers[0])
                for number in range(decoded.n_channels)
            )
        return (Lane(number=0, channel=None, speaker=source.speakers[0]),)
    return tuple(
        Lane(number=number, channel=number, speaker=speaker)
        for number, speaker in enumerate(source.speakers)
    )


def lane_samples(lane: Lane, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound of a lane, shape (n_samples,).

    Args:
        lane: Of this recording.
        samples: Shape (n_channels, n_samples). Not modified.
    """
    if lane.channel is None:
        return mono(samples)
    channel: NDArray[np.float32] = samples[lane.channel]
    return channel
