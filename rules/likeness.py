"""Which words a spoken word may stand for: itself, a misspelling, a sound-alike, an inflection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import jellyfish

MIN_FUZZY_CHARS = 5  # shorter words differ from others by one letter all the time
MIN_SOUND_CHARS = 3
MAX_REMEMBERED = 20_000

# What recognisers write for one another and a phonetic code does not bring together.
_CONFUSED = """guarantee guaranty guaranteed|loan lone|sue sew|debt debit|suit suite
rate rates|fee fees|lien lean|stocks socks|bond bonds|principal principle|our are hour|your yore
their there|cents sense|insured ensured assured|monitored monitor|recorded recorder
wages wage|waive wave|lender lander|collect correct|cash cache|police please|jail gel
quality equality"""


def _confusions() -> Mapping[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for group in _CONFUSED.replace("\n", "|").split("|"):
        words = group.split()
        for word in words:
            groups.setdefault(word, set()).update(words)
    return MappingProxyType({word: frozenset(others) for word, others in groups.items()})


CONFUSIONS = _confusions()


class Likeness:
    """The words of a set of phrases, and what stands for them.

    Args:
        fuzzy: Letters that may differ in words of five letters and more.
        sounds_like: Whether words with the same sound stand for one another (Metaphone, and a
            list of usual confusions).
        lemma_of: Where given, words are compared in their base form.
    """

    def __init__(
        self,
        *,
        fuzzy: int = 0,
        sounds_like: bool = False,
        lemma_of: Callable[[str], str] | None = None,
    ) -> None:
        self._fuzzy = fuzzy
        self._sounds_like = sounds_like
        self._lemma_of = lemma_of
        self._words: set[str] = set()
        self._by_sound: dict[str, list[str]] = {}
        self._known: dict[str, tuple[tuple[str, bool], ...]] = {}

    def add(self, word: str) -> str:
        """Learn a word of a phrase; gives back the form under which it is kept."""
        if self._lemma_of is not None:
            word = self._lemma_of(word)
        if word not in self._words:
            self._words.add(word)
            self._by_sound.setdefault(_sound(word), []).append(word)
        return word

    def readings(self, word: str) -> tuple[tuple[str, bool], ...]:
        """The phrases' words that a spoken word may stand for, each with whether it is the same."""
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = self._known[word] = self._read(word)
        return known

    def _read(self, word: str) -> tuple[tuple[str, bool], ...]:
        base = word if self._lemma_of is None else self._lemma_of(word)
        exact = base in self._words
        if not self._fuzzy and not self._sounds_like:
            return ((base, True),) if exact else ()
        like: set[str] = set()
        if self._sounds_like and len(base) >= MIN_SOUND_CHARS:
            like.update(self._by_sound.get(_sound(base), ()))
            like.update(CONFUSIONS.get(base, frozenset()) & self._words)
        if self._fuzzy and len(base) >= MIN_FUZZY_CHARS - self._fuzzy:
            like.update(
                other
                for other in self._words
                if len(other) >= MIN_FUZZY_CHARS
                and abs(len(other) - len(base)) <= self._fuzzy
                and jellyfish.damerau_levenshtein_distance(base, other) <= self._fuzzy
            )
        like.discard(base)
        return (*(((base, True),) if exact else ()), *((other, False) for other in sorted(like)))


def _sound(word: str) -> str:
    return jellyfish.metaphone(word) if len(word) >= MIN_SOUND_CHARS and word.isalpha() else word
