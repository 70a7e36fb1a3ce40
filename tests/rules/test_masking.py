"""Masking keeps the shape of a text and none of its data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.masking import mask_numbers, mask_text
from rules.types import TextRange


def test_mask_text() -> None:
    """Letters and digits of the ranges go; all else, and the length, stays."""
    ranges = [TextRange(utterance_id="u", start_chars=3, end_chars=12)]
    assert mask_text("is four-5, 39 ok", ranges) == "is ••••-•, •9 ok"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("my card is 4539-1488", "my card is ••••-••••"),
        ("it is four five uh nine then", "it is •••• •••• •• •••• then"),
        ("double oh seven", "•••••• •• •••••"),
        ("two cats and twenty dogs", "two cats and twenty dogs"),
        ("in 2019", "in ••••"),
        ("A1B2C3 is it", "•••••• is it"),
        ("write to ann.lee@example.org now", "write to •••.•••@•••••••.••• now"),
        ("ann at example dot com", "••• •• ••••••• ••• •••"),
    ],
)
def test_mask_numbers(text: str, shown: str) -> None:
    """Runs of three digits and more are masked however they were said, and addresses too."""
    assert mask_numbers(text) == shown


@given(st.text(max_size=200))
def test_mask_numbers_keeps_length(text: str) -> None:
    """Whatever the text, the masked one is as long and has its spaces where they were."""
    masked = mask_numbers(text)
    assert len(masked) == len(text)
    assert [c for c in masked if c.isspace()] == [c for c in text if c.isspace()]
