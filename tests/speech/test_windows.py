"""Windows: pieces of speech heard together, and their words put back where they were said."""

from __future__ import annotations

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import RecognisedWord
from speech.vad import SampleRange
from speech.windows import SpeechWindow, joined


def piece(start_s: float, end_s: float) -> SampleRange:
    """A piece of speech, in seconds."""
    return SampleRange(
        start_sample=int(start_s * SAMPLE_RATE_HZ), end_sample=int(end_s * SAMPLE_RATE_HZ)
    )


def word(text: str, start_s: float, end_s: float) -> RecognisedWord:
    """A word on the window's clock."""
    return RecognisedWord(text=text, start_s=start_s, end_s=end_s, confidence=0.9)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([], [], id="silence"),
        pytest.param([(0, 2), (90, 95)], [[(0, 2), (90, 95)]], id="far-apart"),
        pytest.param(
            [(0, 12), (13, 25), (26, 29)], [[(0, 12), (13, 25)], [(26, 29)]], id="window-is-full"
        ),
        pytest.param([(0, 27), (28, 29)], [[(0, 27)], [(28, 29)]], id="longer-than-a-window"),
    ],
)
def test_neighbours_are_joined(
    pieces: list[tuple[float, float]], expected: list[list[tuple[float, float]]]
) -> None:
    """Pieces share a window until it is full; the silence between them takes no room in it."""
    windows = joined([piece(*each) for each in pieces])
    assert [[(p.start_s, p.end_s) for p in window.pieces] for window in windows] == expected


def test_a_window_holds_the_sound_of_its_pieces() -> None:
    """Speech is heard without the silence between."""
    samples = np.arange(10 * SAMPLE_RATE_HZ, dtype=np.float32)
    window = SpeechWindow(pieces=(piece(1, 2), piece(5, 7)))
    cut = window.cut_from(samples)
    assert len(cut) == window.n_samples == 3 * SAMPLE_RATE_HZ
    assert (cut[0], cut[SAMPLE_RATE_HZ]) == (SAMPLE_RATE_HZ, 5 * SAMPLE_RATE_HZ)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(
            [("a", 0.2, 0.5), ("b", 1.5, 1.9)], [(0, 1.2, 1.5), (1, 5.5, 5.9)], id="each-its-piece"
        ),
        pytest.param([("a", 0.9, 1.3)], [(1, 5.0, 5.3)], id="across-lies-where-most-is"),
        pytest.param([("a", 0.6, 1.1)], [(0, 1.6, 2.0)], id="ends-with-its-piece"),
        pytest.param([("hi", 1.0, 2.9)], [(1, 6.1, 6.9)], id="first-word-too-early"),
        pytest.param([("4-5-3-9", 1.0, 2.9)], [(1, 5.0, 6.9)], id="numbers-take-their-time"),
        pytest.param(
            [("on", 1.1, 1.2), ("and", 1.2, 2.6)], [(1, 5.1, 5.2), (1, 5.2, 6.6)], id="later-words"
        ),
        pytest.param(
            [("b", 1.2, 1.5), ("a", 0.2, 0.4)], [(1, 5.2, 5.5), (1, 5.2, 5.22)], id="never-back"
        ),
    ],
)
def test_words_are_put_back(
    words: list[tuple[str, float, float]], expected: list[tuple[int, float, float]]
) -> None:
    """A word lies in one piece of speech, not before the last one, and is no longer than a word."""
    window = SpeechWindow(pieces=(piece(1, 2), piece(5, 7)))
    placed = [(n, w.start_s, w.end_s) for n, w in window.placed([word(*each) for each in words])]
    assert placed == [(n, pytest.approx(a), pytest.approx(b)) for n, a, b in expected]
