"""Who speaks in which channel."""

from __future__ import annotations

import pytest

from offline.attribute import named
from offline.errors import SpeakerNamesError

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
