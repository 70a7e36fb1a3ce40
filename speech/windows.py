"""Windows of speech: what a recogniser hears at once, and where its words lie in the recording.

Whisper hears thirty seconds at a time and takes as long for two. So neighbouring pieces of speech
are joined, the silence between them left out, until a window is full.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import SHORTEST_WORD_S, RecognisedWord
from speech.vad import SampleRange

# A piece of speech is cut at 26 s, and is half a second longer with what is kept around it.
MAX_WINDOW_S = 26.5
# Nobody takes longer for a word: a tenth of a second a letter and some, and half of one a digit,
# since numbers that are written together are said one by one. Only words behind a pause are held
# to it, which Whisper likes to begin in the pause.
_WORD_S = 0.6
_LETTER_S = 0.1
_DIGIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechWindow:
    """Pieces of speech of one recording, in order, that are heard together."""

    pieces: tuple[SampleRange, ...]

    @property
    def n_samples(self) -> int:
        """Length of the window."""
        return sum(piece.end_sample - piece.start_sample for piece in self.pieces)

    def cut_from(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The window's sound.

        Args:
            samples: The whole recording, shape (n_samples,). Not modified.

        Returns:
            Shape (window.n_samples,).
        """
        return np.concatenate([samples[p.start_sample : p.end_sample] for p in self.pieces])

    def placed(self, words: Iterable[RecognisedWord]) -> Iterator[tuple[int, RecognisedWord]]:
        """Words of the window on the recording's clock, each within one piece of speech.

        Args:
            words: In order, their times counted from the window's beginning.

        Yields:
            The number of the piece in which the word lies, from 0, and the word. A word that
            touches two pieces lies where most of it is.
        """
        starts_s = np.cumsum([0, *(_length_s(piece) for piece in self.pieces)])
        before = 0
        earliest_s = 0.0
        is_first = True
        for word in words:
            overlaps_s = [
                min(word.end_s, end_s) - max(word.start_s, start_s)
                for start_s, end_s in itertools.pairwise(starts_s)
            ]
            number = max(before, int(np.argmax(overlaps_s)))
            is_first |= number != before
            piece = self.pieces[number]
            start_s, end_s = piece.start_s, piece.end_s
            shift_s = start_s - float(starts_s[number])
            word_end_s = min(max(word.end_s + shift_s, start_s + SHORTEST_WORD_S), end_s)
            word_start_s = max(word.start_s + shift_s, start_s, earliest_s)
            if is_first:
                word_start_s = max(word_start_s, word_end_s - _longest_s(word.text))
            word_start_s = min(word_start_s, end_s - SHORTEST_WORD_S)
            word_end_s = max(word_end_s, word_start_s + SHORTEST_WORD_S)
            yield number, replace(word, start_s=word_start_s, end_s=word_end_s)
            before, earliest_s, is_first = number, word_start_s, False


def joined(
    pieces: Sequence[SampleRange], max_window_s: float = MAX_WINDOW_S
) -> tuple[SpeechWindow, ...]:
    """Join neighbouring pieces of speech into windows.

    Args:
        pieces: In order. One that is longer than a window makes a window of its own.
        max_window_s: The longest that a window of several pieces may be.
    """
    windows: list[SpeechWindow] = []
    gathered: list[SampleRange] = []
    n_samples = 0
    for piece in pieces:
        length = piece.end_sample - piece.start_sample
        if gathered and n_samples + length > max_window_s * SAMPLE_RATE_HZ:
            windows.append(SpeechWindow(pieces=tuple(gathered)))
            gathered, n_samples = [], 0
        gathered.append(piece)
        n_samples += length
    if gathered:
        windows.append(SpeechWindow(pieces=tuple(gathered)))
    return tuple(windows)


def _length_s(piece: SampleRange) -> float:
    return piece.end_s - piece.start_s


def _longest_s(text: str) -> float:
    n_digits = sum(character.isdigit() for character in text)
    return _WORD_S + _DIGIT_S * n_digits + _LETTER_S * (len(text) - n_digits)
