"""Street addresses, said and written, and what only sounds like one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.cases import SECONDS_PER_WORD
from rules.engine import Engine
from rules.rulebook import Rulebook
from rules.streets import SCORE_ALONE, SCORE_ANNOUNCED
from rules.types import CallEnded, Entity, Span, Utterance, Word

ENGINE = Engine(
    Rulebook(rules=(), packs=(), fingerprint=""), timeline=False, entities=["STREET_ADDRESS"]
)


def utterance(words: list[tuple[int, str]], name: str) -> Utterance:
    """Numbered words of a sentence as one utterance, at an ordinary pace."""
    timed: list[Word] = []
    start_chars = 0
    for i, text in words:
        span = Span(i * SECONDS_PER_WORD, (i + 1) * SECONDS_PER_WORD)
        timed.append(Word(text=text, span=span, start_chars=start_chars))
        start_chars += len(text) + 1
    return Utterance(
        id=name,
        speaker="c",
        span=Span(timed[0].span.start_s, timed[-1].span.end_s),
        text=" ".join(text for _, text in words),
        words=tuple(timed),
    )


def found(text: str, cuts: frozenset[int] = frozenset()) -> list[Entity]:
    """What is found in a sentence that is cut into utterances before some words."""
    words = list(enumerate(text.split()))
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(words)), len(words)]
    state = ENGINE.start()
    entities: list[Entity] = []
    for a, b in itertools.pairwise(edges):
        step = ENGINE.feed(state, utterance(words[a:b], f"u{a}"))
        state = step.state
        entities += step.entities
    entities += ENGINE.feed(state, CallEnded(at_s=60.0)).entities
    return entities


@pytest.mark.parametrize(
    ("text", "value", "score"),
    [
        ("my address is 42 Maple Street", "42 maple street", SCORE_ANNOUNCED),
        ("I live at forty two Maple Street in York", "42 maple street", SCORE_ANNOUNCED),
        ("ship it to twelve oh five north main street", "1205 north main street", SCORE_ANNOUNCED),
        ("it's 350 West 42nd Street", "350 west 42nd street", SCORE_ALONE),
        ("my home is at forty two fifth avenue", "42 fifth avenue", SCORE_ANNOUNCED),
        ("I live at 9 Orchard Drive", "9 orchard drive", SCORE_ANNOUNCED),
        ("that was 221b Baker Street", "221B baker street", SCORE_ALONE),
        ("one two three main street", "123 main street", SCORE_ALONE),
        ("address is seventeen hundred Park Avenue.", "1700 park avenue", SCORE_ANNOUNCED),
        ("eighteen Saint James's Road", "18 saint james's road", SCORE_ALONE),
        ("I moved to flat 3, 42 High Street", "42 high street", SCORE_ANNOUNCED),
    ],
)
def test_addresses(text: str, value: str, score: float) -> None:
    assert [(entity.value, entity.score) for entity in found(text)] == [(value, score)]


@pytest.mark.parametrize(
    "text",
    [
        "it's a one way street",
        "go two blocks down the street",
        "it is a ten minute drive",
        "I live a ten minute drive away",
        "I drove 3 miles on this road",
        "five stores on high street",
        "a 2 lane road",
        "one step further down that road",
        "we moved 2 years ago to a new street",
        "24 hour road service",
        "there are 2. Main Street is closed",
        "nine orchard drive",
        "street",
    ],
)
def test_everyday_talk(text: str) -> None:
    assert found(text) == []


def test_a_silence_parts_number_and_street() -> None:
    words = [(0, "number"), (1, "42"), (40, "maple"), (41, "street")]
    assert ENGINE.feed(ENGINE.start(), utterance(words, "u")).entities == ()


@given(cuts=st.frozensets(st.integers(min_value=1, max_value=11)))
def test_any_split_gives_the_same(cuts: frozenset[int]) -> None:
    text = "so my address is twelve oh five North Main Street in York"
    whole, cut = found(text), found(text, cuts)
    assert [(e.value, e.span, e.score, e.at_s) for e in cut] == [
        (e.value, e.span, e.score, e.at_s) for e in whole
    ]
    assert len(cut) == 1
