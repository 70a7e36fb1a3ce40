"""Which channels of a recording are heard on their own."""

from __future__ import annotations

import numpy as np

from offline.lanes import Lane, lane_samples, lanes_of
from tests.offline.builders import source


def test_a_stereo_recording_of_one_participant_is_one_lane() -> None:
    """Channels of a participant's recording are averaged, not told apart."""
    (lane,) = lanes_of(source(speakers=("anna",)))
    assert lane == Lane(number=0, channel=None, speaker="anna")
    stereo = np.array([[1.0, 0.0], [0.0, 0.5]], dtype=np.float32)
    assert lane_samples(lane, stereo).tolist() == [0.5, 0.25]
    assert lane_samples(lane, stereo[:1]).tolist() == [1.0, 0.0]


def test_each_speaker_of_a_file_has_a_lane() -> None:
    """A file with a name for each channel has one speaker in each."""
    lanes = lanes_of(source(speakers=("anna", "ben")))
    samples = np.array([[1.0], [0.5]], dtype=np.float32)
    assert [(lane.speaker, lane_samples(lane, samples).tolist()) for lane in lanes] == [
        ("anna", [1.0]),
        ("ben", [0.5]),
    ]
