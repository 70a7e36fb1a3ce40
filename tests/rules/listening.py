"""Reads sentences for personal data: with the engine, and with the written listener alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rules.cases import SECONDS_PER_WORD
from rules.detectors import card, ssn
from rules.engine import Engine
from rules.overlaps import without_overlaps
from rules.rulebook import Rulebook
from rules.said import SaidWord, form_of
from rules.topics import Talk
from rules.types import CallEnded, Entity, Span, Utterance, utterance_from_text
from rules.written import BIRTH, EMPTY, ENTITIES, WrittenListener

WRITTEN = WrittenListener(ENTITIES)
_ENGINE = Engine(
    Rulebook(rules=(), packs=(), fingerprint=""),
    timeline=False,
    entities=[*sorted(ENTITIES - {BIRTH}), card.ENTITY, ssn.ENTITY],
)


NO_TALK = Talk((), ())  # the written listener goes by the speaker's own words


def sentence(text: str) -> Utterance:
    """A sentence as one utterance at an ordinary pace."""
    n_words = max(1, len(text.split()))
    return utterance_from_text(text, Span(0.0, n_words * SECONDS_PER_WORD), id="0", speaker=None)


def said_words(utterances: Sequence[Utterance]) -> list[SaidWord]:
    """All words of some utterances of one speaker, numbered through."""
    pairs = [(utterance, word) for utterance in utterances for word in utterance.words]
    return [
        SaidWord(word, utterance.id, utterance.speaker, i, 0, form_of(word.text))
        for i, (utterance, word) in enumerate(pairs)
    ]


def written(utterances: Sequence[Utterance]) -> list[Entity]:
    """What the written listener finds."""
    memory = EMPTY
    found: list[Entity] = []
    end_s = 0.0
    words = said_words(utterances)
    for n, said in enumerate(words, 1):
        memory, entities = WRITTEN.on_word(memory, said, NO_TALK, words[:n])
        found += entities
        end_s = said.word.span.end_s
    return found + list(WRITTEN.on_end(memory, end_s, NO_TALK)[1])


def everything(text: str) -> tuple[Entity, ...]:
    """What the engine finds in a sentence."""
    if not text.strip():
        return ()
    heard = sentence(text)
    step = _ENGINE.feed(_ENGINE.start(), heard)
    over = _ENGINE.feed(step.state, CallEnded(at_s=heard.span.end_s + 60.0))
    return without_overlaps((*step.entities, *over.entities))


Finder = Callable[[str], Sequence[Entity]]
