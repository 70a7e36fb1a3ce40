"""Inventions: closing lines of videos are nobody's words, and what people say is kept."""

from __future__ import annotations

import pytest

from speech.inventions import is_invented
from speech.recogniser import RecognisedWord


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [
        pytest.param("Thank you for watching!", 0.9, True, id="video"),
        pytest.param("Thanks for watching, see you next time.", 0.9, True, id="video-and-more"),
        pytest.param("Please subscribe to my channel.", 0.9, True, id="subscribe"),
        pytest.param("Subtitles by the Amara.org community", 0.9, True, id="subtitles"),
        pytest.param("♪ ♪", 0.9, True, id="notes"),
        pytest.param("...", 0.9, True, id="dots"),
        pytest.param("Thank you.", 0.3, True, id="thanks-unsure"),
        pytest.param("Thank you.", 0.8, False, id="thanks"),
        pytest.param("You", 0.2, True, id="you-unsure"),
        pytest.param("Bye.", 0.7, False, id="bye"),
        pytest.param("Thank you for waiting.", 0.4, False, id="waiting"),
        pytest.param("I was watching the news.", 0.4, False, id="news"),
        pytest.param("Nine five two.", 0.4, False, id="digits-unsure"),
        pytest.param("Nine five two.", 0.1, True, id="hopeless"),
        pytest.param("Thank you.", None, False, id="no-confidence"),
    ],
)
def test_inventions(text: str, confidence: float | None, expected: bool) -> None:
    """A piece is dropped for a line that nobody says, or for common words without certainty."""
    words = [
        RecognisedWord(text=each, start_s=n / 2, end_s=n / 2 + 0.4, confidence=confidence)
        for n, each in enumerate(text.split())
    ]
    assert is_invented(words) is expected
