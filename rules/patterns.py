"""Authors' patterns over a speaker's latest words.

A pattern sees the words since the last long silence, joined by single spaces, and is found with the
first word that completes it. So how speech is cut into utterances changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from rules.conditions import RegexCondition
from rules.linear_regex import compiled
from rules.phrases import MAX_PAUSE_S
from rules.said import SaidWord

WINDOW_WORDS = 40


class RegexLeaf:
    """The patterns of one condition."""

    def __init__(self, number: int, condition: RegexCondition) -> None:
        self.number = number
        # A match has to end with the latest word; punctuation behind it may follow.
        self._patterns = [
            compiled(rf"(?:{pattern})[^\pL\pN]*\z", case_sensitive=condition.case_sensitive)
            for pattern in condition.any_of
        ]

    def search(self, window: Window) -> tuple[int, int] | None:
        """The words that a pattern covers, as (first, last) of the window; None = no match."""
        found: list[tuple[int, int]] = []
        for pattern in self._patterns:
            match = pattern.search(window.text)
            if match is not None and match.end() > window.starts[-1]:
                first = sum(1 for start in window.starts if start <= match.start()) - 1
                found.append((max(0, first), len(window.starts) - 1))
        return min(found, default=None)


class Window:
    """The words that patterns look at."""

    def __init__(self, places: Sequence[SaidWord]) -> None:
        kept: list[str] = []
        later_start_s = places[-1].word.span.start_s
        for place in reversed(places[-WINDOW_WORDS:]):
            if later_start_s - place.word.span.end_s > MAX_PAUSE_S:
                break
            kept.append(place.word.text)
            later_start_s = place.word.span.start_s
        kept.reverse()
        self.text = " ".join(kept)
        self.starts: list[int] = []
        at = 0
        for text in kept:
            self.starts.append(at)
            at += len(text) + 1
