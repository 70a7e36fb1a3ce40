"""Plain phrases, word by word: one state for all of them, however many are half said.

Source: A. V. Aho and M. J. Corasick, "Efficient string matching", 1975, over words for letters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Place(NamedTuple):
    """How far the longest phrase is said."""

    node: int
    ordinals: tuple[int, ...]  # of the words that led here


START = Place(0, ())


class Automaton(Generic[T]):
    """Finds phrases in a stream of words; holds no memory of any stream."""

    def __init__(self) -> None:
        self._children: list[dict[str, int]] = [{}]
        self._depths: list[int] = [0]
        self._fails: list[int] = [0]
        # What ends at a node, with its number of words, the longest first.
        self._ends: list[list[tuple[T, int]]] = [[]]

    def add(self, words: Sequence[str], phrase: T) -> None:
        """Add a phrase; `link` has to follow."""
        node = 0
        for word in words:
            child = self._children[node].get(word)
            if child is None:
                child = self._children[node][word] = len(self._children)
                self._children.append({})
                self._depths.append(self._depths[node] + 1)
                self._fails.append(0)
                self._ends.append([])
            node = child
        if node:
            self._ends[node].append((phrase, len(words)))

    def link(self) -> None:
        """Say for each node where the longest shorter phrase that is half said goes on."""
        waiting = deque(self._children[0].values())
        while waiting:
            node = waiting.popleft()
            for word, child in self._children[node].items():
                fail = self._fails[node]
                while fail and word not in self._children[fail]:
                    fail = self._fails[fail]
                self._fails[child] = self._children[fail].get(word, 0)
                self._ends[child] += self._ends[self._fails[child]]
                waiting.append(child)

    def step(self, place: Place, word: str, ordinal: int) -> Place:
        """Go on by one word.

        Args:
            place: What the last call gave back for this stream; `START` at first.
            word: The word.
            ordinal: Its number, for `Place.ordinals`.
        """
        node = place[0]
        while True:
            child = self._children[node].get(word)
            if child is not None:
                depth = self._depths[child]
                if depth == 1:
                    return Place(child, (ordinal,))
                return Place(child, (*place[1], ordinal)[-depth:])
            if not node:
                return START
            node = self._fails[node]

    def ends(self, place: Place) -> Sequence[tuple[T, int]]:
        """The phrases that are said in full here, with their numbers of words."""
        return self._ends[place[0]]
