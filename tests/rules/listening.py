"""Feeds sentences to the number listener and the written listener, as the engine does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rules.cases import SECONDS_PER_WORD
from rules.codes import EMPTY as NO_CODES
from rules.codes import CodeListener
from rules.detectors import card, iban, licence, phone, ssn
from rules.detectors.verdict import Topic
from rules.numbers import EMPTY as NO_NUMBERS
from rules.numbers import NumberListener, NumberWord
from rules.overlaps import without_overlaps
from rules.phrases import PhraseMatcher, phrase_words
from rules.topics import Mark, mark_of, marked, topic_at, topic_patterns
from rules.types import Entity, Span, Utterance, utterance_from_text
from rules.written import EMPTY, ENTITIES, WrittenListener

WRITTEN = WrittenListener(ENTITIES)
NUMBERS = NumberListener(frozenset({card.ENTITY, ssn.ENTITY}))
CODES = CodeListener(frozenset({iban.ENTITY, licence.ENTITY, phone.ENTITY}))
_MATCHER = PhraseMatcher(topic_patterns(0))


def no_topic(ordinal: int, start_s: float) -> Topic | None:
    """The written listener goes by the speaker's own words."""
    return None


def sentence(text: str) -> Utterance:
    """A sentence as one utterance at an ordinary pace."""
    n_words = max(1, len(text.split()))
    return utterance_from_text(text, Span(0.0, n_words * SECONDS_PER_WORD), id="0", speaker=None)


def said_words(utterances: Sequence[Utterance]) -> list[NumberWord]:
    """All words of some utterances of one speaker, numbered through."""
    pairs = [(utterance, word) for utterance in utterances for word in utterance.words]
    return [
        NumberWord(word=word, utterance_id=utterance.id, speaker=utterance.speaker, ordinal=i)
        for i, (utterance, word) in enumerate(pairs)
    ]


def written(utterances: Sequence[Utterance]) -> list[Entity]:
    """What the written listener finds."""
    memory = EMPTY
    found: list[Entity] = []
    end_s = 0.0
    for said in said_words(utterances):
        memory, entities = WRITTEN.on_word(memory, said, no_topic)
        found += entities
        end_s = said.word.span.end_s
    return found + list(WRITTEN.on_end(memory, None, end_s, no_topic)[1])


def numbers(utterances: Sequence[Utterance]) -> list[Entity]:
    """What the number listener finds, with the topics of its own words."""
    memory = NO_NUMBERS
    found: list[Entity] = []
    marks: list[Mark] = []
    partials: Any = ()

    def topics(ordinal: int, start_s: float) -> Topic | None:
        return topic_at(marks, (), ordinal=ordinal, start_s=start_s)

    end_s = 0.0
    for said in said_words(utterances):
        partials, matches = _MATCHER.step(partials, phrase_words(said.word.text), said.ordinal)
        mark = mark_of(matches, said.word.span.end_s)
        marks += [mark] if mark else []
        memory, entities = NUMBERS.on_word(memory, said, topics)
        found += entities
        end_s = said.word.span.end_s
    memory, entities = NUMBERS.on_silence(memory, None, end_s + 60.0, topics)
    found += entities
    return found + list(NUMBERS.on_end(memory, None, end_s + 60.0, topics)[1])


def codes(utterances: Sequence[Utterance]) -> list[Entity]:
    """What the code listener finds of the kinds that may be spelled, by its own words."""
    memory = NO_CODES
    found: list[Entity] = []
    marks: tuple[Mark, ...] = ()
    partials: Any = ()

    def topics(ordinal: int, start_s: float) -> Topic | None:
        return topic_at(marks, (), ordinal=ordinal, start_s=start_s)

    end_s = 0.0
    for said in said_words(utterances):
        partials, matches = _MATCHER.step(partials, phrase_words(said.word.text), said.ordinal)
        mark = mark_of(matches, said.word.span.end_s)
        marks = marked(marks, mark) if mark else marks
        memory, entities = CODES.on_word(memory, said, topics)
        found += entities
        end_s = said.word.span.end_s
    return found + list(CODES.on_end(memory, None, end_s + 60.0, topics)[1])


def everything(text: str) -> tuple[Entity, ...]:
    """What the listeners find in a sentence, the surest where they disagree."""
    utterances = [sentence(text)] if text.strip() else []
    return without_overlaps(written(utterances) + numbers(utterances) + codes(utterances))


Finder = Callable[[str], Sequence[Entity]]
