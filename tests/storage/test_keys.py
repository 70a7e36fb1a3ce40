import pytest

from storage.errors import ObjectKeyError
from storage.keys import RESERVED_SEGMENT, checked_key, checked_prefix

BAD = [
    pytest.param("../secret", id="climbs-out"),
    pytest.param("a/../../secret", id="climbs-out-later"),
    pytest.param("a/..", id="ends-climbing"),
    pytest.param("/etc/passwd", id="absolute"),
    pytest.param("a//b", id="empty-part"),
    pytest.param("./a", id="dot-part"),
    pytest.param("a\0b", id="nul"),
    pytest.param("a\nb", id="newline"),
    pytest.param("a\\..\\b", id="backslash"),
    pytest.param("a\ud800", id="half-a-surrogate"),
    pytest.param("x" * 256, id="part-too-long"),
    pytest.param("/".join(["x" * 200] * 6), id="key-too-long"),
    pytest.param("é" * 128, id="part-too-long-in-bytes"),
    pytest.param(f"{RESERVED_SEGMENT}/x", id="reserved"),
]


@pytest.mark.parametrize("key", [*BAD, pytest.param("", id="empty"), pytest.param("a/", id="dir")])
def test_bad_key(key: str) -> None:
    """Keys that could leave the store, or that some store could not hold, are refused."""
    with pytest.raises(ObjectKeyError, match="object key"):
        checked_key(key)


@pytest.mark.parametrize("prefix", BAD)
def test_bad_prefix(prefix: str) -> None:
    """What no key can begin with is no prefix."""
    with pytest.raises(ObjectKeyError):
        checked_prefix(prefix)


@pytest.mark.parametrize(
    "key", ["a", "recordings/2026-03-01/RM_a/TR_b.ogg", "..a/b..", "a b%20+é/ü.json", "x" * 255]
)
def test_good_key(key: str) -> None:
    """Dots, spaces and letters of all languages are fine inside a part."""
    assert checked_key(key) == key
    assert checked_prefix(key) == key


@pytest.mark.parametrize("prefix", ["", "a/", "recordings/2026-0"])
def test_good_prefix(prefix: str) -> None:
    """A prefix may be empty, or end anywhere."""
    assert checked_prefix(prefix) == prefix


def test_message_of_a_long_key() -> None:
    """A message shows the beginning of a long key only, with nothing unprintable."""
    with pytest.raises(ObjectKeyError) as caught:
        checked_key("\x1b[31m" + "x" * 5000)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
