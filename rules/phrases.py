"""Finding phrases in words that arrive one by one.

Words are normalised the same way in rules and in speech: case, punctuation and curly quotes go,
contractions are written out. Phrases with the same slop share a trie, so the work for a word grows
with how many phrases are half said, not with how many there are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

MAX_PAUSE_S = 6.0  # a longer silence within a phrase ends it: what follows is another sentence

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


def phrase_words(text: str) -> tuple[str, ...]:
    """The normalised words of a text.

    >>> phrase_words("You can't lose: risk-free!")
    ('you', 'can', 'not', 'lose', 'risk', 'free')
    """
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


@dataclass(frozen=True, slots=True)
class Partial:
    """A phrase that is half said."""

    slop: int
    node: int
    gaps: int
    first: int  # ordinal of the speaker's word where it begins


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase that has just been said in full."""

    pattern: Pattern
    first: int  # ordinal of its first word
    last: int  # ordinal of its last word


class PhraseMatcher:
    """All phrases of a caller, compiled; holds no memory of any speaker."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._children: list[dict[str, int]] = []
        self._ends: list[list[Pattern]] = []
        self._roots: dict[int, int] = {}
        for pattern in patterns:
            node = self._roots.get(pattern.slop)
            if node is None:
                node = self._roots[pattern.slop] = self._new_node()
            for word in phrase_words(pattern.text):
                child = self._children[node].get(word)
                if child is None:
                    child = self._children[node][word] = self._new_node()
                node = child
            self._ends[node].append(pattern)

    def _new_node(self) -> int:
        self._children.append({})
        self._ends.append([])
        return len(self._children) - 1

    def step(
        self, partials: tuple[Partial, ...], words: Iterable[str], ordinal: int
    ) -> tuple[tuple[Partial, ...], tuple[Match, ...]]:
        """Hear one spoken word, which may be several normalised ones.

        Args:
            partials: What the last call gave back for this speaker; () at first.
            words: The normalised words of the spoken one.
            ordinal: Number of the spoken word among the speaker's words.

        Returns:
            The new half-said phrases, and those completed, longest of an owner first.
        """
        matches: list[Match] = []
        for word in words:
            alive: dict[tuple[int, int], Partial] = {}
            starts = [Partial(slop, node, 0, ordinal) for slop, node in self._roots.items()]
            for partial in (*partials, *starts):
                child = self._children[partial.node].get(word)
                if child is not None:
                    moved = Partial(partial.slop, child, partial.gaps, partial.first)
                    matches += [Match(p, partial.first, ordinal) for p in self._ends[child]]
                    if self._children[child]:
                        _keep(alive, moved)
                if partial.gaps < partial.slop and partial.node != self._roots[partial.slop]:
                    _keep(
                        alive,
                        Partial(partial.slop, partial.node, partial.gaps + 1, partial.first),
                    )
            partials = tuple(alive.values())
        return partials, tuple(sorted(matches, key=lambda m: (m.pattern.owner, m.first)))


def _keep(alive: dict[tuple[int, int], Partial], partial: Partial) -> None:
    """Of two ways to the same place keep the one with fewer gaps; it can do all the other can."""
    key = (partial.node, partial.first)
    other = alive.get(key)
    if other is None or partial.gaps < other.gaps:
        alive[key] = partial
