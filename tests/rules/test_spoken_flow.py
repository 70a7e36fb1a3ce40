"""How numbers come in real talk: in pieces, with asides and corrections, named behind."""

from __future__ import annotations

import pytest

from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.hesitations import aside, may_be_aside
from rules.rulebook import Rulebook
from rules.spoken import Kind
from rules.types import CallEnded, Entity, HeardUntil
from tests.rules.conftest import Feed
from tests.rules.test_codes import said, values


@pytest.fixture(scope="module")
def engine(book: Rulebook) -> Engine:
    return Engine(book, entities=ENTITY_TYPES)


def found_in(engine: Engine, feed_all: Feed, text: str) -> list[Entity]:
    return feed_all(engine, [said(text, 0.0, "x"), CallEnded(at_s=90.0)])[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "the card, it's four five three nine, let me see, one four eight eight, hang on, "
            "zero three four three, bear with me, six four six seven",
            [("CREDIT_CARD", "4539148803436467")],
            id="hesitations",
        ),
        pytest.param(
            "my number is seven one eight, I think, five five five, zero one three five",
            [("PHONE_NUMBER", "7185550135")],
            id="i-think",
        ),
        pytest.param(
            "my card is four five three nine one four eight eight, I mean, no, it's four five "
            "three nine one four eight eight zero three four three six four six seven",
            [("CREDIT_CARD", "4539148803436467")],
            id="said-anew",
        ),
        pytest.param(
            "card number four five three nine, scratch that, let me start again, four one one one "
            "one one one one one one one one one one one one",
            [("CREDIT_CARD", "4111111111111111")],
            id="started-again",
        ),
        pytest.param(
            "the first four are four five three nine, next four one four eight eight, then it "
            "says zero three four three, and at the end six four six seven",
            [("CREDIT_CARD", "4539148803436467")],
            id="in-pieces",
        ),
        pytest.param(
            "my callback number, seven one eight, that is Brooklyn, five five five, oh one three "
            "five",
            [("PHONE_NUMBER", "7185550135")],
            id="phone-in-pieces",
        ),
        pytest.param(
            "three nine eight, six two, one seven four five is the social I have for you",
            [("US_SSN", "398621745")],
            id="named-behind",
        ),
        pytest.param(
            "it is eight three one four four nine one seven four four, that is my direct line",
            [("PHONE_NUMBER", "8314491744")],
            id="phone-named-behind",
        ),
        pytest.param(
            "I have always used nineteen eighty four as my pin", [("PIN", "1984")], id="as-my-pin"
        ),
        pytest.param(
            "plus forty-four, twenty, seventy-nine forty-six, oh three two one",
            [("PHONE_NUMBER", "+442079460321")],
            id="plus",
        ),
        pytest.param(
            "my mobile's oh seven seven double oh nine double oh one two three",
            [("PHONE_NUMBER", "07700900123")],
            id="announced-with-s",
        ),
        pytest.param(
            "the NIF is five four three six two three one five, letter K",
            [("ES_NIF", "54362315K")],
            id="letter",
        ),
        pytest.param(
            "my social's last four, four three nine nine",
            [("US_SSN_LAST4", "4399")],
            id="last-four",
        ),
        pytest.param(
            "my social security number is five thirty six ninety four three nine nine",
            [("US_SSN", "536904399")],
            id="ninety-and-four",
        ),
        pytest.param(
            "so it's four five three nine and one four nine, no sorry, eight eight, zero three "
            "four three, six four six seven",
            [("CREDIT_CARD", "4539148803436467")],
            id="and-no-sorry",
        ),
        pytest.param(
            "my social is five three six, nine, I think, oh, for three nine nine",
            [("US_SSN", "536904399")],
            id="i-think-and-for",
        ),
        pytest.param(
            "the c v v one eight three", [("CREDIT_CARD_CVV", "183")], id="letters-of-a-name"
        ),
        pytest.param(
            "social security number. Four seven three, oh, the kettle's going, one nine, and five "
            "five two eight",
            [("US_SSN", "473195528")],
            id="oh-that-is-no-digit",
        ),
        pytest.param(
            "it's 215, um, 48, and the last four are 6630. That's my full social",
            [("US_SSN", "215486630")],
            id="pieces-named-behind",
        ),
        pytest.param(
            "expires 05/27, CVV 902", [("CREDIT_CARD_CVV", "902")], id="cvv-is-no-letters"
        ),
    ],
)
def test_as_people_say_it(
    engine: Engine, feed_all: Feed, text: str, expected: list[tuple[str, str]]
) -> None:
    """Asides, pieces, corrections and names behind a number do not hide it."""
    found = [f for f in values(found_in(engine, feed_all, text)) if "EXPIRY" not in f[0]]
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "the credit limit went from five thousand to twelve thousand five hundred",
        "the lottery numbers were four, eight, fifteen, sixteen, twenty-three, forty-two",
        "order nine nine two, no sorry, nine two nine, four four one eight",
        "the waybill number's 4 0 9 2 2 1 7 6 6 3 1, still no movement",
        "the warranty expires in oh eight twenty seven",
        "your order is 7185550135 and that is on its way, my phone will ring",
        "I ran the credit check on file seven oh one two four five three six one",
        "it is twelve thousand, that is my card limit",
    ],
)
def test_harmless(engine: Engine, feed_all: Feed, text: str) -> None:
    """What only sounds alike stays silent."""
    assert [f for f in values(found_in(engine, feed_all, text))] == []


def test_the_last_four_of_what_was_asked_for(engine: Engine, feed_all: Feed) -> None:
    """The last four digits are personal data where a social security number was talked of."""
    for asked, expected in (("your social", [("US_SSN_LAST4", "4399")]), ("your order", [])):
        events = [
            said(f"can you confirm {asked}, please?", 0.0, "agent"),
            said("the last four are four three nine nine", 3.0, "customer"),
            CallEnded(at_s=60.0),
        ]
        assert values(feed_all(engine, events)[1]) == expected


def test_a_short_number_waits_for_its_rest(engine: Engine, feed_all: Feed) -> None:
    """Twelve digits of a card are told as incomplete only when the rest does not come."""
    first = "my card number is five one zero zero three nine nine eight nine nine zero eight"
    rest = "and the last bit is zero nine one nine"
    whole = feed_all(engine, [said(f"{first} {rest}", 0.0, "x"), CallEnded(at_s=90.0)])[1]
    assert [(e.value, e.score) for e in whole] == [("5100399899080919", 1.0)]
    short = feed_all(
        engine, [said(f"{first} and that is all of it", 0.0, "x"), HeardUntil(at_s=40)]
    )
    assert [(e.value, e.score) for e in short[1]] == [("510039989908", 0.6)]


def test_a_short_number_is_told_beside_another_one(engine: Engine, feed_all: Feed) -> None:
    """Another number behind an incomplete one does not swallow it."""
    text = (
        "my card number is five one zero zero three nine nine eight nine nine zero eight and my "
        "social is five three six, nine zero, four three nine nine"
    )
    assert values(found_in(engine, feed_all, text)) == [
        ("CREDIT_CARD", "510039989908"),
        ("US_SSN", "536904399"),
    ]


def test_phrases_are_followed_word_by_word() -> None:
    """The longest phrase counts, and a correction is told from a filler."""
    words = ("hang", "on", "a", "second")
    assert all(may_be_aside(words[:n]) for n in range(1, 5))
    assert not may_be_aside(("hang", "up"))
    assert (aside(("hang", "on")), aside(("i", "mean"))) == (Kind.FILLER, Kind.CORRECTION)
