"""Which channels of a recording are heard on their own."""

from __future__ import annotations

import numpy as np

from offline.lanes import Lane, lane_samples, lanes_of
from offline.stages.decode import are_apart
from offline.stages.records import Decoded
from tests.offline.builders import source
from tests.offline.mixes import track


def decoded(n_channels: int = 1, *, are_channels_apart: bool = False) -> Decoded:
    return Decoded(
        duration_s=60.0,
        n_channels=n_channels,
        are_channels_apart=are_channels_apart,
        damage=None,
        step_s=1.0,
        levels=(),
    )


def test_a_stereo_recording_of_one_participant_is_one_lane() -> None:
    """Channels of a participant's recording are averaged, not told apart."""
    (lane,) = lanes_of(source(speakers=("anna",)), decoded(2, are_channels_apart=True))
    assert lane == Lane(number=0, channel=None, speaker="anna")
    stereo = np.array([[1.0, 0.0], [0.0, 0.5]], dtype=np.float32)
    assert lane_samples(lane, stereo).tolist() == [0.5, 0.25]
    assert lane_samples(lane, stereo[:1]).tolist() == [1.0, 0.0]


def test_each_speaker_of_a_file_has_a_lane() -> None:
    """A file with a name for each channel has one speaker in each."""
    lanes = lanes_of(source(speakers=("anna", "ben")), decoded(2, are_channels_apart=True))
    samples = np.array([[1.0], [0.5]], dtype=np.float32)
    assert [(lane.speaker, lane_samples(lane, samples).tolist()) for lane in lanes] == [
        ("anna", [1.0]),
        ("ben", [0.5]),
    ]


def test_channels_of_a_mix_are_heard_apart_where_they_hold_different_people() -> None:
    """The agent on the left and everybody else on the right are two lanes; stereo is one."""
    mix = source(speakers=("unknown",), is_mix=True)
    assert [lane.channel for lane in lanes_of(mix, decoded(2))] == [None]
    apart = lanes_of(mix, decoded(2, are_channels_apart=True))
    assert [(lane.channel, lane.speaker) for lane in apart] == [(0, "unknown"), (1, "unknown")]


def test_which_channels_are_apart() -> None:
    """Two people's channels are; a stereo picture of one room is not."""
    agent, customer = track("clean-agent"), track("clean-customer")
    length = min(len(agent), len(customer))
    agent, customer = agent[:length], customer[:length]
    assert are_apart(np.stack((agent, customer)))
    assert are_apart(np.stack((agent, np.zeros_like(agent))))
    assert not are_apart(np.stack((agent + customer, 0.5 * (agent + customer))))
    assert not are_apart(agent[None])
