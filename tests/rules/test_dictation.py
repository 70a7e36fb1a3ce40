"""Dictated addresses, dates of birth and expiry dates, and what only sounds like them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.rulebook import Rulebook
from rules.spelling import spell
from rules.types import CallEnded, Span, utterance_from_text
from tests.rules.conftest import Feed


@pytest.fixture(scope="module")
def engine(book: Rulebook) -> Engine:
    return Engine(book, entities=ENTITY_TYPES)


def found(engine: Engine, feed_all: Feed, text: str, *types: str) -> list[tuple[str, str]]:
    """Values of some types in a sentence, with the words that they were read from."""
    spoken = utterance_from_text(text, Span(0.0, 0.4 * len(text.split())), id="u", speaker="x")
    _, entities = feed_all(engine, [spoken, CallEnded(at_s=90.0)])
    return [
        (e.value, text[e.parts[0].start_chars : e.parts[-1].end_chars])
        for e in entities
        if e.type in types
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("R-O-Y-8 at aol dot com", "roy8@aol.com", id="letters-with-hyphens"),
        pytest.param("r o y eight at aol dot com", "roy8@aol.com", id="letters"),
        pytest.param("R for Rita, O for Oscar, at aol dot com", "ro@aol.com", id="examples"),
        pytest.param("kilo oscar romeo at aol dot com", "kor@aol.com", id="alphabet"),
        pytest.param("jo dot k double nine at aol dot com", "jo.k99@aol.com", id="double"),
        pytest.param("jo nineteen oh five at aol dot com", "jo1905@aol.com", id="year"),
        pytest.param("jo 42 at aol dot com", "jo42@aol.com", id="number-behind-name"),
        pytest.param("it's red fox, no spaces, at aol dot com", "redfox@aol.com", id="one-word"),
        pytest.param("my email is red fox at aol dot com", "redfox@aol.com", id="all-announced"),
        pytest.param("jo dot d, d for Dora, at aol dot com", "jo.d@aol.com", id="letter-twice"),
        pytest.param("jo dot roy, r o y, at aol dot com", "jo.roy@aol.com", id="name-spelled"),
        pytest.param("jo dot roy, that's r o i, at aol dot com", "jo.roi@aol.com", id="spelling"),
        pytest.param("cathy with a c at aol dot com", "cathy@aol.com", id="with-a-letter"),
        pytest.param("jo, dot, roy, at, um, aol, dot, com", "jo.roy@aol.com", id="commas"),
        pytest.param("jo.roy at aol.com", "jo.roy@aol.com", id="half-written"),
        pytest.param("jo dot roy@aol.com", "jo.roy@aol.com", id="sign-before-written"),
        pytest.param("jo period roy at aol dot com", "jo.roy@aol.com", id="period"),
        pytest.param("jo full stop roy at aol dot com", "jo.roy@aol.com", id="full-stop"),
        pytest.param(
            "jo at sign fir grove dot c o dot u k", "jo@firgrove.co.uk", id="host-spelled"
        ),
        pytest.param("jo dot roy at fir grove dot i o", "jo.roy@firgrove.io", id="host-of-words"),
        pytest.param("jo hyphen roy at x dot com, no, dot org", "jo-roy@x.org", id="corrected"),
        pytest.param("jo hyphen roy at x dot com, not dot org", "jo-roy@x.com", id="rejected"),
        pytest.param("billing at fir dot com", "billing@fir.com", id="role"),
        pytest.param("jo dot roy at mail dot fir dot com", "jo.roy@mail.fir.com", id="subdomain"),
    ],
)
def test_email(engine: Engine, feed_all: Feed, text: str, value: str) -> None:
    """However an address is spelled and commented on, it comes out as it would be written."""
    assert [v for v, _ in found(engine, feed_all, text, "EMAIL_ADDRESS", "URL")] == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("double u double u double u dot fir dot com", "www.fir.com", id="double-u"),
        pytest.param("triple w dot fir dot com", "www.fir.com", id="triple-w"),
        pytest.param("https colon slash slash fir dot com", "https://fir.com", id="scheme"),
        pytest.param(
            "h t t p colon double slash fir dot com", "http://fir.com", id="spelled-scheme"
        ),
        pytest.param("fir dot com slash a dash 1", "fir.com/a-1", id="path"),
        pytest.param("go to fir grove dot com", "firgrove.com", id="words-behind-to"),
        pytest.param("look at fir dot com", "fir.com", id="look-at"),
        pytest.param("it's cheaper at fir dot com", "fir.com", id="cheaper-at"),
        pytest.param("ten dot oh dot zero dot two fifty four", "10.0.0.254", id="machine"),
        pytest.param("192 point 168 point 1 point 10", "192.168.1.10", id="machine-with-points"),
    ],
)
def test_site_or_machine(engine: Engine, feed_all: Feed, text: str, value: str) -> None:
    """Hosts and machines are read where nobody has a mailbox."""
    types = ("EMAIL_ADDRESS", "URL", "IP_ADDRESS")
    assert [v for v, _ in found(engine, feed_all, text, *types)] == [value]


def test_words_of_an_address(engine: Engine, feed_all: Feed) -> None:
    """The range covers what was said of the address, and no word of the sentence around it."""
    text = "so my email is red fox, all one word, at aol dot com, thanks"
    said = found(engine, feed_all, text, "EMAIL_ADDRESS")
    assert said == [("redfox@aol.com", "red fox, all one word, at aol dot com")]


def test_two_addresses(engine: Engine, feed_all: Feed) -> None:
    """Each address is told once."""
    text = "write to jo dot roy at aol dot com and to ann dot lee at aol dot com"
    values = [value for value, _ in found(engine, feed_all, text, "EMAIL_ADDRESS", "URL")]
    assert values == ["jo.roy@aol.com", "ann.lee@aol.com"]


@pytest.mark.parametrize(
    "text",
    [
        "dot the i's and cross the t's at the end of the day",
        "we met at home, at work, at school, and at one point at sea",
        "version ten dot four dot two of the app",
        "four point five percent, or one point two point three",
        "the trial period at the gym",
    ],
)
def test_no_address(engine: Engine, feed_all: Feed, text: str) -> None:
    """Signs in ordinary talk make no address."""
    assert found(engine, feed_all, text, "EMAIL_ADDRESS", "URL", "IP_ADDRESS") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("born May third, fifty-one", "1951-05-03", id="short-year"),
        pytest.param("born 3 May, 51", "1951-05-03", id="short-year-digits"),
        pytest.param("born the third of May, oh six", "2006-05-03", id="oh-year"),
        pytest.param("born the third of the fifth, fifty-one", "1951-05-03", id="month-ordinal"),
        pytest.param("born the 3rd of the 5th 1951", "1951-05-03", id="month-ordinal-digits"),
        pytest.param("born May, um, third, fifty-one", "1951-05-03", id="hesitation"),
        pytest.param("born May second, no, third, 1951", "1951-05-03", id="day-corrected"),
        pytest.param(
            "born the third of June, sorry, May, 1951", "1951-05-03", id="month-corrected"
        ),
        pytest.param("the 3rd of May 1951, my birthday", "1951-05-03", id="called-behind"),
        pytest.param("May 3rd 1951, that's when he was born", "1951-05-03", id="born-behind"),
        pytest.param("5/3/1951 is my date of birth", "1951-05-03", id="digits-called-behind"),
        pytest.param("dob nineteen five fifty one", "1951-05-19", id="day-first"),
        pytest.param("dob oh five nineteen fifty one", "1951-05-19", id="month-first"),
        pytest.param("dob five nineteen nineteen fifty one", "1951-05-19", id="full-year"),
    ],
)
def test_birth(engine: Engine, feed_all: Feed, text: str, value: str) -> None:
    """A birth may be announced before its date, or the date be called one behind it."""
    assert [v for v, _ in found(engine, feed_all, text, "DATE_OF_BIRTH")] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "the deadline is May third, fifty-one people know",
        "I was born here, but the appointment is on May 3rd 2026",
        "we moved on May 3rd 1951, my brother was happy",
        "we opened it on May 3rd 2019 and my birthday is tomorrow",
        "he was born in May nineteen fifty one",
        "the third of the five, fifty-one of them",
        "my birthday is May 3rd 10 am",
    ],
)
def test_no_birth(engine: Engine, feed_all: Feed, text: str) -> None:
    """Appointments, deadlines and days without a year are nobody's date of birth."""
    assert found(engine, feed_all, text, "DATE_OF_BIRTH") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("valid until 9 of 28", "09/28", id="month-of-year"),
        pytest.param("my card runs out in May 2029", "05/29", id="runs-out"),
        pytest.param("expires at the end of May twenty twenty nine", "05/29", id="end-of"),
        pytest.param("my offer is for a card that expires in May 2029", "05/29", id="card-nearer"),
    ],
)
def test_expiry(engine: Engine, feed_all: Feed, text: str, value: str) -> None:
    """A month and a year, where a card ends and nothing else."""
    assert [v for v, _ in found(engine, feed_all, text, "CREDIT_CARD_EXPIRY")] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "the warranty on the oven expires in 08/27",
        "your points are expiring in May twenty twenty-nine",
        "my passport expires oh eight twenty seven",
        "the sale expires on May thirty-first",
        "it expires on May 31, 2029",
        "the lease runs out in May 2029",
    ],
)
def test_no_expiry(engine: Engine, feed_all: Feed, text: str) -> None:
    """What is no card, or ends on a day, has no expiry date of a card."""
    assert found(engine, feed_all, text, "CREDIT_CARD_EXPIRY") == []


_WORDS = st.sampled_from(
    """at dot com no not sorry double nine w u for as in Sam one two thousand and jo@x.com slash
    colon h t p s www . , the sign all word spaces with a capital it's is 10 255 R-O-Y dash point
    underscore full stop co uk that's roy r o y oh um https""".split()  # noqa: SIM905
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_WORDS, max_size=24))
def test_any_words_are_spelled(words: list[str]) -> None:
    """Every character of a spelling knows words of the text, in whatever order they come."""
    text = " ".join(words)
    spelling = spell(text)
    assert len(spelling.text) == len(spelling.starts) == len(spelling.ends)
    assert all(
        0 <= start <= end <= len(text)
        for start, end in zip(spelling.starts, spelling.ends, strict=True)
    )
