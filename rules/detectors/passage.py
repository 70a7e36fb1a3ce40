"""A stretch of words that may hold written personal data, as one text for the detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

TAKEN = "\x00"  # stands where something has been found already; no pattern matches it


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Words joined by single spaces, and what was said around them."""

    text: str = field(repr=False)
    before: tuple[str, ...] = field(default=(), repr=False)  # in lower case, the nearest last
    after: str = field(default="", repr=False)  # the next word in lower case, "" when unknown

    def without(self, finds: tuple[Find, ...]) -> Passage:
        """The same passage with what was found made unreadable; offsets stay as they are."""
        if not finds:
            return self
        text = self.text
        for find in finds:
            text = text[: find.start] + TAKEN * (find.end - find.start) + text[find.end :]
        return Passage(text=text, before=self.before, after=self.after)

    def words_before(self, start: int) -> tuple[str, ...]:
        """The words before an offset, in lower case and bare, the nearest last."""
        inside = self.text[:start].split()
        return (*self.before, *(bare(word) for word in inside))


@dataclass(frozen=True, slots=True)
class Find:
    """Something found in a passage; offsets are within its text."""

    type: str
    start: int
    end: int
    value: str = field(repr=False)
    score: float  # in [0.0, 1.0]


Detector = Callable[[Passage], Iterator[Find]]


def word_set(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


def bare(word: str) -> str:
    """A word in lower case, without the punctuation around it."""
    return (
        word.strip("\"'.,;:!?()[]{}<>#\u2019\u2018\u201c\u201d").casefold().replace("\u2019", "'")
    )
