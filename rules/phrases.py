"""Finding phrases in words that arrive one by one.

Words are normalised the same way in rules and in speech: case, punctuation and curly quotes go,
contractions are written out. Plain phrases share an automaton, so a word costs the same however
many there are. The others share a trie with those that are matched the same way, and the work for a
word grows with how many of them are half said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from rules.automaton import START, Automaton, Place
from rules.likeness import Likeness
from rules.word_cache import word_cache

MAX_REMEMBERED = 50_000  # words whose readings are kept; speech has far fewer
MAX_PAUSE_S = 6.0  # a longer silence within a phrase ends it: what follows is another sentence

_EDGES = "\"'.,;:!?()[]{}"
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|%")
_IRREGULAR: Mapping[str, str] = MappingProxyType(
    {
        "%": "percent",
        "can't": "can not",
        "cannot": "can not",
        "cant": "can not",
        "won't": "will not",
        "wont": "will not",
        "shan't": "shall not",
        "ain't": "is not",
        "dont": "do not",
        "doesnt": "does not",
        "didnt": "did not",
        "isnt": "is not",
        "wouldnt": "would not",
        "couldnt": "could not",
        "youre": "you are",
        "youll": "you will",
        "theyll": "they will",
        "im": "i am",
        "ive": "i have",
        "let's": "let us",
        "gonna": "going to",
        "wanna": "want to",
        "gotta": "got to",
        "y'all": "you all",
    }
)
_IS_BEFORE_S = frozenset(
    {"it", "that", "this", "there", "here", "what", "who", "where", "how", "he", "she"}
)
_ENDINGS = (("n't", "not"), ("'ll", "will"), ("'re", "are"), ("'ve", "have"), ("'m", "am"))


@word_cache
def phrase_words(text: str) -> tuple[str, ...]:
    """The normalised words of a text.

    >>> phrase_words("You can't lose: risk-free!")
    ('you', 'can', 'not', 'lose', 'risk', 'free')
    """
    word = text.strip(_EDGES)
    if word.isalpha() and word.isascii():
        return tuple(_written_out(word.casefold()))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")
    words: list[str] = []
    for match in _WORD.finditer(text.casefold()):
        words += _written_out(match.group())
    return tuple(words)


def _written_out(word: str) -> list[str]:
    if word in _IRREGULAR:
        return _IRREGULAR[word].split()
    if "'" not in word:
        return [word]
    for ending, meaning in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return [word.removesuffix(ending), meaning]
    stem = word.removesuffix("'s")
    if stem in _IS_BEFORE_S and stem != word:
        return [stem, "is"]
    if word.endswith("'d"):
        return [word.removesuffix("'d"), "would"]
    return [word.replace("'", "")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A phrase to look for, and whom to tell."""

    owner: int
    text: str
    slop: int = 0  # other words allowed between its words, all gaps together
    fuzzy: int = 0  # letters that may differ in each longer word
    sounds_like: bool = False
    lemma: bool = False  # any inflection of its words

    @property
    def is_plain(self) -> bool:
        """Whether just its own words count, one after another."""
        return not (self.slop or self.fuzzy or self.sounds_like or self.lemma)


class Partial(NamedTuple):
    """A phrase that is half said."""

    trie: int
    node: int
    gaps: int
    first: int  # ordinal of the speaker's word where it begins
    exact: bool  # every word so far was just the phrase's own


class Followed(NamedTuple):
    """What is half said."""

    place: Place = START  # among the plain phrases
    partials: tuple[Partial, ...] = ()  # of all others


NOTHING = Followed()


class Match(NamedTuple):
    """A phrase that has just been said in full."""

    pattern: Pattern
    first: int  # ordinal of its first word
    last: int  # ordinal of its last word
    exact: bool


_Start = tuple[int, int, bool, list["Pattern"], bool]  # trie, node, exact, its ends, goes on
_Readings = tuple[tuple[_Start, ...], tuple[tuple[tuple[str, bool], ...], ...]]
_UNKNOWN: _Readings = ((), ())  # stands for a word that nobody has looked up


class _Trie:
    """Phrases that are matched in the same way."""

    def __init__(self, slop: int, likeness: Likeness) -> None:
        self.slop = slop
        self.children: list[dict[str, int]] = [{}]
        self.ends: list[list[Pattern]] = [[]]
        self._likeness = likeness

    def add(self, pattern: Pattern) -> None:
        node = 0
        for word in phrase_words(pattern.text):
            word = self._likeness.add(word)
            child = self.children[node].get(word)
            if child is None:
                child = self.children[node][word] = len(self.children)
                self.children.append({})
                self.ends.append([])
            node = child
        self.ends[node].append(pattern)

    def readings(self, word: str) -> tuple[tuple[str, bool], ...]:
        """The phrases' words that a spoken one may stand for, and whether it is just that word."""
        return self._likeness.readings(word)


class PhraseMatcher:
    """All phrases of a caller, compiled; holds no memory of any speaker.

    Args:
        patterns: The phrases.
        lemma_of: The base form of a word; needed where a pattern asks for inflections.
    """

    def __init__(
        self, patterns: Iterable[Pattern], lemma_of: Callable[[str], str] | None = None
    ) -> None:
        tries: dict[tuple[int, int, bool, bool], _Trie] = {}
        self._plain: Automaton[Pattern] = Automaton()
        for pattern in patterns:
            if pattern.is_plain:
                self._plain.add(phrase_words(pattern.text), pattern)
                continue
            key = (pattern.slop, pattern.fuzzy, pattern.sounds_like, pattern.lemma)
            if key not in tries:
                tries[key] = _Trie(
                    pattern.slop,
                    Likeness(
                        fuzzy=pattern.fuzzy,
                        sounds_like=pattern.sounds_like,
                        lemma_of=lemma_of if pattern.lemma else None,
                    ),
                )
            tries[key].add(pattern)
        self._plain.link()
        self._tries = tuple(tries.values())
        self._readings: dict[str, _Readings | None] = {}

    def _readings_of(self, word: str) -> _Readings | None:
        """The phrases that a word starts, and for each trie what it may stand for.

        None where it means nothing to any phrase.
        """
        if word in self._readings:
            return self._readings[word]
        if len(self._readings) >= MAX_REMEMBERED:
            self._readings.clear()
        found = tuple(trie.readings(word) for trie in self._tries)
        starts = tuple(
            (number, child, exact, trie.ends[child], bool(trie.children[child]))
            for number, trie in enumerate(self._tries)
            for reading, exact in found[number]
            if (child := trie.children[0].get(reading)) is not None
        )
        known = (starts, found) if any(found) else None
        self._readings[word] = known
        return known

    def step(
        self, followed: Followed, words: Iterable[str], ordinal: int
    ) -> tuple[Followed, Sequence[Match]]:
        """Hear one spoken word, which may be several normalised ones.

        Args:
            followed: What the last call gave back for this speaker; `NOTHING` at first.
            words: The normalised words of the spoken one.
            ordinal: Number of the spoken word among the speaker's words.

        Returns:
            What is half said now, and the phrases completed, by owner and the longest first.
        """
        plain = self._plain
        place, partials = followed
        matches: list[Match] = []
        for word in words:
            place = plain.step(place, word, ordinal)
            if place is not START:
                for pattern, n_words in plain.ends(place):
                    matches.append(Match(pattern, place.ordinals[-n_words], ordinal, True))
            if self._tries:
                partials = self._others(partials, word, ordinal, matches)
        if place is START and not partials:
            return NOTHING, matches
        if len(matches) > 1:
            matches.sort(key=lambda match: (match.pattern.owner, match.first, not match.exact))
        return Followed(place, partials), matches

    def _others(
        self, partials: tuple[Partial, ...], word: str, ordinal: int, matches: list[Match]
    ) -> tuple[Partial, ...]:
        """Go on with the phrases that leave room for other words, or for words that are alike."""
        known = self._readings.get(word, _UNKNOWN)
        if known is _UNKNOWN:
            known = self._readings_of(word)
        if known is None and not partials:
            return ()
        starts, readings = known or ((), ())
        alive: dict[tuple[int, int, int], Partial] = {}
        for number, child, exact, ends, goes_on in starts:
            for pattern in ends:
                matches.append(Match(pattern, ordinal, ordinal, exact))
            if goes_on:
                alive[number, child, ordinal] = Partial(number, child, 0, ordinal, exact)
        for partial in partials:
            if readings:
                self._go_on(partial, readings[partial.trie], ordinal, alive, matches)
            if partial.gaps < self._tries[partial.trie].slop:
                _keep(alive, partial._replace(gaps=partial.gaps + 1))
        return tuple(alive.values()) if alive else ()

    def _go_on(
        self,
        partial: Partial,
        readings: Iterable[tuple[str, bool]],
        ordinal: int,
        alive: dict[tuple[int, int, int], Partial],
        matches: list[Match],
    ) -> None:
        """Go on with a half-said phrase by one word, if it has that word next."""
        number, node, gaps, first, so_far = partial
        trie = self._tries[number]
        children = trie.children[node]
        for reading, exact in readings:
            child = children.get(reading)
            if child is None:
                continue
            exact = exact and so_far
            for pattern in trie.ends[child]:
                matches.append(Match(pattern, first, ordinal, exact))
            if trie.children[child]:
                _keep(alive, Partial(number, child, gaps, first, exact))


def _keep(alive: dict[tuple[int, int, int], Partial], partial: Partial) -> None:
    """Of two ways to the same place keep the one with fewer gaps; it can do all the other can."""
    key = (partial.trie, partial.node, partial.first)
    other = alive.get(key)
    if other is None or (partial.gaps, not partial.exact) < (other.gaps, not other.exact):
        alive[key] = partial
