"""What every recogniser is: samples in, timed words out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rules.types import Span

SHORTEST_WORD_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognisedWord:
    """One word, as written, without white space; times count from the samples' beginning."""

    text: str = field(repr=False)
    start_s: float
    end_s: float  # after start_s, and within the samples
    confidence: float | None  # in [0.0, 1.0]; None = the model gives none

    def span_after(self, offset_s: float) -> Span:
        """Where the word lies on a clock on which the samples begin at `offset_s`."""
        return Span(self.start_s + offset_s, self.end_s + offset_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What was heard in one piece of speech."""

    words: tuple[RecognisedWord, ...] = field(repr=False)
    # Where the recogniser began to go round in circles: nothing was understood from there on.
    looped_from_s: float | None = None
    # The same sound read otherwise, the likeliest reading first; only who asks for it gets any.
    others: tuple[tuple[RecognisedWord, ...], ...] = field(default=(), repr=False)


class Recogniser(Protocol):
    """Turns one piece of speech into words."""

    name: str  # engine, model and arithmetic, as reports name them

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """Recognise a piece of speech.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.

        Returns:
            Words in time order; none where nothing was said.

        Raises:
            RecogniserError: the engine failed.
        """

    def close(self) -> None:
        """Let go of the weights."""


class WindowRecogniser(Protocol):
    """Turns windows of speech into words, several at a time.

    Loaded once in a process and used for any number of recordings; for one at a time.
    """

    name: str  # engine, model and arithmetic, as reports name them
    batch_size: int  # how many windows are worth being given at once

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """Recognise windows of speech, none of them by what was said in another.

        Args:
            pieces: Each mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0], at most thirty
                seconds. Not modified.

        Returns:
            What was heard in each, in the same order.

        Raises:
            RecogniserError: the engine failed, or a window is too long.
        """

    def close(self) -> None:
        """Let go of the weights."""


def clamped(words: Iterable[RecognisedWord], duration_s: float) -> tuple[RecognisedWord, ...]:
    """The words with times that lie within the samples, in order, and none of them empty.

    Args:
        words: As a recogniser gave them, in the order in which they were said.
        duration_s: Length of the samples.
    """
    latest_s = max(0.0, duration_s - SHORTEST_WORD_S)
    earliest_s = 0.0
    within: list[RecognisedWord] = []
    for word in words:
        start_s = min(max(word.start_s, earliest_s), latest_s)
        end_s = min(max(word.end_s, start_s + SHORTEST_WORD_S), duration_s)
        if end_s > start_s:
            within.append(replace(word, start_s=start_s, end_s=end_s))
        earliest_s = start_s
    return tuple(within)
