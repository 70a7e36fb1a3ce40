"""Ranges of bytes, row by row."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.byte_ranges import ByteRange, NotSatisfiable, asked_range, etag_of, is_current

AT = datetime(2026, 3, 1, 9, 0, 5, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("bytes=0-", (0, 1000), id="from-the-beginning"),
        pytest.param("bytes=10-19", (10, 20), id="a-piece"),
        pytest.param("Bytes=10-19", (10, 20), id="unit-in-capitals"),
        pytest.param("bytes=999-", (999, 1000), id="last-byte"),
        pytest.param("bytes=10-99999", (10, 1000), id="beyond-the-end"),
        pytest.param("bytes=-10", (990, 1000), id="suffix"),
        pytest.param("bytes=-99999", (0, 1000), id="suffix-longer-than-all"),
        pytest.param("items=0-1", None, id="another-unit"),
        pytest.param("bytes=x-y", None, id="no-numbers"),
        pytest.param("bytes=-", None, id="dash"),
        pytest.param("bytes=", None, id="empty"),
        pytest.param("bytes=20-10", None, id="backwards"),
        pytest.param("bytes=0-1,x", None, id="second-one-malformed"),
        pytest.param("bytes=" + "9" * 40 + "-", None, id="absurd-number"),
    ],
)
def test_range(header: str | None, expected: tuple[int, int] | None) -> None:
    """One range is taken, and what is malformed is ignored as the RFC has it."""
    found = asked_range(header, 1000)
    assert (found and (found.start_bytes, found.end_bytes)) == expected


@pytest.mark.parametrize(
    ("header", "size_bytes"),
    [
        pytest.param("bytes=1000-", 1000, id="behind-the-end"),
        pytest.param("bytes=-0", 1000, id="no-bytes"),
        pytest.param("bytes=0-1,5-9", 1000, id="two-ranges"),
        pytest.param("bytes=" + ",".join(["0-"] * 500), 1000, id="many-ranges"),
        pytest.param("bytes=0-", 0, id="empty-object"),
    ],
)
def test_refused_range(header: str, size_bytes: int) -> None:
    """What is not there, and several ranges at once, are refused."""
    with pytest.raises(NotSatisfiable):
        asked_range(header, size_bytes)


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        pytest.param(None, True, id="none"),
        pytest.param('"abc"', True, id="same-tag"),
        pytest.param('"abd"', False, id="other-tag"),
        pytest.param('W/"abc"', False, id="weak"),
        pytest.param("Sun, 01 Mar 2026 09:00:05 GMT", True, id="same-time"),
        pytest.param("Sun, 01 Mar 2026 09:00:06 GMT", False, id="other-time"),
        pytest.param("nonsense", False, id="nonsense"),
    ],
)
def test_if_range(if_range: str | None, expected: bool) -> None:
    """A range of another version than the browser has is not sent."""
    assert is_current(if_range, '"abc"', AT) is expected


def test_etag() -> None:
    """A tag is quoted, and holds nothing that could end a header."""
    assert etag_of('"ab\r\nc"', "1-2") == '"abc-12"'
    assert ByteRange(start_bytes=2, end_bytes=5).n_bytes == 3
