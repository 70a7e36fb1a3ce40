"""Phrases that another phrase of the same list makes idle: it hits wherever they would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rules.conditions import Phrase
from rules.phrases import phrase_words

Words = tuple[str, ...]


def covered_phrases(
    phrases: Sequence[Phrase], unless: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """The text of each covered phrase, and that of one which covers it.

    A phrase covers another one where its words stand in it in order, with no more other words
    between them than its `slop` allows, and where it takes as many readings of a word. A phrase
    with one of the words of `unless` is left alone: that word may take back what would cover it.
    """
    by_words: dict[Words, list[Phrase]] = defaultdict(list)
    loose: dict[str, list[tuple[Words, Phrase]]] = defaultdict(list)  # by first word
    for phrase in phrases:
        words = phrase_words(phrase.text)
        by_words[words].append(phrase)
        if phrase.slop:
            loose[words[0]].append((words, phrase))
    for phrase in phrases:
        words = phrase_words(phrase.text)
        if unless.intersection(words):
            continue
        found: list[str] = []
        for first in range(len(words)):
            for last in range(first, len(words)):
                part = words[first : last + 1]
                if part != words:
                    # Words that may stand in the gaps of the longer one may stand in this one.
                    gaps = phrase.slop if len(part) > 1 else 0
                    found += [o.text for o in by_words.get(part, ()) if _takes(o, phrase, gaps)]
            for part, other in loose.get(words[first], ()):
                n_gaps = _gaps(part, words[first:])
                if n_gaps and _takes(other, phrase, n_gaps + phrase.slop):
                    found.append(other.text)
        if found:
            yield phrase.text, min(found)


def _takes(wide: Phrase, narrow: Phrase, n_gaps: int) -> bool:
    """Whether one phrase allows the gaps, and every reading of a word that the other does."""
    return (
        n_gaps <= wide.slop
        and narrow.fuzzy <= wide.fuzzy
        and narrow.sounds_like <= wide.sounds_like
    )


def _gaps(part: Words, words: Words) -> int | None:
    """How many other words lie between those of a part that begins with the first one; at least.

    None where the part is not in the words in this order.
    """
    if part[0] != words[0]:
        return None
    at = 0
    for wanted in part[1:]:
        try:
            at = words.index(wanted, at + 1)
        except ValueError:
            return None
    return at + 1 - len(part)
