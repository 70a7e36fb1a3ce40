"""What people want, found by the phrases of a plain data file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEXICON = Path(__file__).with_name("intents.toml")
_WORD = re.compile(r"[a-z']+")
_NEGATED_WITHIN_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Phrases of each intent, by their first word."""

    phrases: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]  # first word: (words, intent)
    negations: frozenset[str]

    def intents_in(self, text: str) -> tuple[str, ...]:
        """The intents that a text speaks of, each once, in the order of their words."""
        words = _WORD.findall(text.lower().replace("\u2019", "'"))
        found: dict[str, None] = {}
        for i, word in enumerate(words):
            before = words[max(0, i - _NEGATED_WITHIN_WORDS) : i]
            if not self.negations.isdisjoint(before):
                continue
            for phrase, intent in self.phrases.get(word, ()):
                if tuple(words[i : i + len(phrase)]) == phrase:
                    found[intent] = None
        return tuple(found)


@cache
def load_lexicon(path: Path = LEXICON) -> Lexicon:
    """Read a file of phrases."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for intent, entry in data["intent"].items():
        for phrase in entry["says"]:
            words = tuple(_WORD.findall(phrase))
            phrases.setdefault(words[0], []).append((words, intent))
    return Lexicon(
        phrases={word: tuple(each) for word, each in phrases.items()},
        negations=frozenset(data["negations"]),
    )
