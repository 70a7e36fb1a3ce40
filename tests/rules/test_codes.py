"""Codes that count where somebody announces them, said, spelled and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.rulebook import Rulebook
from rules.types import CallEnded, Entity, Event, HeardUntil, Span, Utterance, utterance_from_text
from tests.rules.conftest import Feed

DATA = Path(__file__).parent / "data" / "spoken_ids.jsonl"
LINES = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
CODES = [line["text"] for line in LINES if line["entities"] and " " in line["text"]]


def said(text: str, start_s: float, speaker: str, *, id: str = "") -> Utterance:
    """A sentence at an ordinary pace."""
    span = Span(start_s, start_s + 0.4 * len(text.split()))
    return utterance_from_text(text, span, id=id or f"{speaker}{start_s}", speaker=speaker)


def values(entities: list[Entity]) -> list[tuple[str, str]]:
    return [(e.type, e.value) for e in entities if e.type != "DATE_TIME"]


@pytest.fixture(scope="module")
def engine(book: Rulebook) -> Engine:
    return Engine(book, entities=ENTITY_TYPES)


def test_the_other_speaker_asks(engine: Engine, feed_all: Feed) -> None:
    events: list[Event] = [
        said("And the routing number, please?", 0.0, "agent"),
        said("sure it's one two one triple zero", 3.0, "customer"),
        said("okay", 6.0, "agent"),
        said("two four eight", 6.5, "customer"),
        CallEnded(at_s=20.0),
    ]
    _, found = feed_all(engine, events)
    assert values(found) == [("ABA_ROUTING_NUMBER", "121000248")]


def test_the_same_digits_unannounced_are_nothing(engine: Engine, feed_all: Feed) -> None:
    _, found = feed_all(
        engine,
        [said("it is one two one triple zero two four eight", 0.0, "x"), CallEnded(at_s=20.0)],
    )
    assert values(found) == []


def test_an_announcement_leads_to_one_code(engine: Engine, feed_all: Feed) -> None:
    text = "the CVV is 123 and I have 250 of them and 451 more"
    _, found = feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=30.0)])
    assert values(found) == [("CREDIT_CARD_CVV", "123")]


def test_a_lost_digit_lowers_the_score(engine: Engine, feed_all: Feed) -> None:
    right = "my NHS number is nine four three four seven six five nine one nine"
    wrong = "my NHS number is nine four three four seven six five nine one eight"
    scores = [
        feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=30.0)])[1][0].score
        for text in (right, wrong)
    ]
    assert scores[0] > 0.9 > 0.6 > scores[1]


def test_a_code_is_told_after_a_silence(engine: Engine, feed_all: Feed) -> None:
    _, found = feed_all(
        engine, [said("my pin is four eight two one", 0.0, "x"), HeardUntil(at_s=5.0)]
    )
    assert values(found) == [("PIN", "4821")]
    assert found[0].at_s < 5.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("my pin is four eight two five, sorry, one", "4821"),
        ("my pin is one two three four, no wait, nine nine two one", "9921"),
        (
            "passport is m as in mike, no, n as in nancy one two double three four five six seven",
            "N12334567",
        ),
        ("national insurance number J G one oh three seven five nine A", "JG103759A"),
        ("driver's license double u one two three four five six seven", "W1234567"),
        ("passport is zed for zebra, one two double three, four five six seven", "Z12334567"),
    ],
)
def test_corrections_and_alphabets(engine: Engine, feed_all: Feed, text: str, value: str) -> None:
    _, found = feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=40.0)])
    assert [e.value for e in found] == [value]


@given(data=st.data(), text=st.sampled_from(CODES))
def test_any_split_gives_the_same_codes(
    book: Rulebook, feed_all: Feed, data: st.DataObject, text: str
) -> None:
    """A code is the same however a recogniser cuts it into utterances."""
    engine = Engine(book, entities=ENTITY_TYPES)
    words = text.split()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(words) - 1), max_size=4)))
    parts = [words[a:b] for a, b in zip([0, *cuts], [*cuts, len(words)], strict=True)]
    events: list[Event] = []
    at_s = 0.0
    for i, part in enumerate(parts):
        spoken = said(" ".join(part), at_s, "x", id=str(i))
        events.append(spoken)
        at_s = spoken.span.end_s
    cut = feed_all(engine, [*events, CallEnded(at_s=at_s + 20.0)])[1]
    uncut = feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=at_s + 20.0)])[1]
    assert [(e.type, e.value, e.score) for e in cut] == [(e.type, e.value, e.score) for e in uncut]


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "a",
                    "I",
                    "B",
                    "bravo",
                    "for",
                    "as",
                    "in",
                    "sam",
                    "double",
                    "u",
                    "oh",
                    "4",
                    "12",
                    "AB12C",
                    "pin",
                    "is",
                    "passport",
                    "number",
                    "sorry",
                    "no",
                    "hundred",
                    "fours",
                    "-",
                    "7-Z",
                    "and",
                ),
            ]
        ),
        max_size=30,
    )
)
def test_any_words_are_survived(book: Rulebook, feed_all: Feed, words: list[str]) -> None:
    engine = Engine(book, entities=ENTITY_TYPES)
    text = " ".join(words)
    events: list[Event] = [said(text, 0.0, "x")] if words else []
    _, found = feed_all(engine, [*events, CallEnded(at_s=60.0)])
    for entity in found:
        assert entity.value
        for part in entity.parts:
            assert 0 <= part.start_chars < part.end_chars <= len(text)


@pytest.mark.parametrize(
    ("text", "value", "score"),
    [
        ("it expires May twenty seven", "05/27", 0.65),
        ("expiry is May 2027", "05/27", 0.9),
        ("expiration date is June of twenty twenty nine", "06/29", 0.9),
        ("the expiry is Sept '28", "09/28", 0.9),
        ("expires december forty one", "12/41", 0.9),
        ("valid through the end of March, 2031", "03/31", 0.9),
    ],
)
def test_expiry_with_a_named_month(
    engine: Engine, feed_all: Feed, text: str, value: str, score: float
) -> None:
    """A number that may be a day of the month makes it less sure."""
    _, found = feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=30.0)])
    expiries = [(e.value, e.score) for e in found if e.type == "CREDIT_CARD_EXPIRY"]
    assert expiries == [(value, score)]


@pytest.mark.parametrize(
    "text",
    [
        "I was born in May 1987",
        "see you in June 2027",
        "the policy expires May 3rd",
        "it expires in May",
    ],
)
def test_other_months_are_no_expiry(engine: Engine, feed_all: Feed, text: str) -> None:
    _, found = feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=30.0)])
    assert [e.type for e in found if e.type == "CREDIT_CARD_EXPIRY"] == []
