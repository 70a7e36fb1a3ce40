"""Who speaks in which channel."""

from __future__ import annotations

import numpy as np
import pytest

from offline.attribute import channel_names, named, voices_of_channels, voices_of_participant
from offline.errors import SpeakerNamesError


def test_a_stereo_recording_of_one_participant_is_one_voice() -> None:
    """Channels of a participant's recording are averaged, not told apart."""
    (voice,) = voices_of_participant("anna", np.array([[1.0, 0.0], [0.0, 0.5]], dtype=np.float32))
    assert voice.speaker == "anna"
    assert voice.samples.tolist() == [0.5, 0.25]


def test_each_channel_of_a_file_is_a_voice() -> None:
    """A file with several channels has one speaker in each."""
    samples = np.array([[1.0], [0.5]], dtype=np.float32)
    voices = voices_of_channels(channel_names("call", 2), samples)
    assert [(voice.speaker, voice.samples.tolist()) for voice in voices] == [
        ("call#1", [1.0]),
        ("call#2", [0.5]),
    ]


BY_FILE = [("agent",), ("call#1", "call#2")]


@pytest.mark.parametrize(
    ("given", "by_file", "expected"),
    [
        pytest.param((), BY_FILE, (("agent",), ("call#1", "call#2")), id="own-names"),
        pytest.param(("a", "b", "c"), BY_FILE, (("a",), ("b", "c")), id="given-names"),
    ],
)
def test_names(
    given: tuple[str, ...], by_file: list[tuple[str, ...]], expected: tuple[tuple[str, ...], ...]
) -> None:
    """Given names go to files and channels in order; without any, files name their speakers."""
    assert named(given, by_file) == expected


@pytest.mark.parametrize(
    ("given", "by_file", "message"),
    [
        pytest.param(("a",), BY_FILE, "given 1 times for 3 channels", id="too-few"),
        pytest.param(("a", "b", "c", "d"), BY_FILE, "given 4 times for 3", id="too-many"),
        pytest.param(("a", "b", "a"), BY_FILE, "two speakers are named 'a'", id="twice"),
        pytest.param((), [("x",), ("x",)], "two speakers are named 'x'", id="same-file-names"),
        pytest.param(("a", " ", "c"), BY_FILE, "a name is empty", id="empty"),
    ],
)
def test_names_that_do_not_fit(
    given: tuple[str, ...], by_file: list[tuple[str, ...]], message: str
) -> None:
    """Names that cannot tell the speakers apart are refused."""
    with pytest.raises(SpeakerNamesError, match=message):
        named(given, by_file)
