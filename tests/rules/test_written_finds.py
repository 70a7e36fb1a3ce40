"""What written personal data looks like, and what only looks like it: tables by entity."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cases import SECONDS_PER_WORD
from rules.clues import Clue, clues
from rules.types import Entity, Span, Utterance, utterance_from_words, words_from_text
from rules.written import EMPTY, ENTITIES, KEPT_WORDS, MAX_RUN_WORDS, PAUSE_S, WrittenListener
from tests.rules.listening import NO_TALK, WRITTEN, everything, said_words, sentence, written

Found = list[tuple[str, str, str]]


def found_in(text: str) -> Found:
    """Type, exact text and value of everything that is found in a sentence."""
    return [
        (e.type, text[e.parts[0].start_chars : e.parts[-1].end_chars], e.value)
        for e in written([sentence(text)])
    ]


@pytest.mark.parametrize(
    ("text", "said", "value"),
    [
        ("Mail Ann.Lee+x@Example.co.uk.", "Ann.Lee+x@Example.co.uk", "ann.lee+x@example.co.uk"),
        ("is it <jo@example.org>?", "jo@example.org", "jo@example.org"),
        (
            "it's jo dot smith at gmail dot com",
            "jo dot smith at gmail dot com",
            "jo.smith@gmail.com",
        ),
        ("my email is lee at example dot org", "lee at example dot org", "lee@example.org"),
        ("tom85 at yahoo.com please", "tom85 at yahoo.com", "tom85@yahoo.com"),
    ],
)
def test_email(text: str, said: str, value: str) -> None:
    """E-mail addresses are found written and spoken; the value is in lower case."""
    assert found_in(text) == [("EMAIL_ADDRESS", said, value)]


@pytest.mark.parametrize(
    ("text", "said", "value"),
    [
        ("see (https://example.com/a_(b)).", "https://example.com/a_(b)", None),
        ("see http://www.OakLamp.co.uk/!", "http://www.OakLamp.co.uk/", None),
        ("My website is OakLamp.is", "OakLamp.is", None),
        ("open w w w dot example dot com", "w w w dot example dot com", "www.example.com"),
        ("look at example dot com please", "example dot com", "example.com"),
    ],
)
def test_url(text: str, said: str, value: str | None) -> None:
    """Web addresses keep their slash and lose the punctuation of the sentence."""
    assert found_in(text) == [("URL", said, value or said)]


@pytest.mark.parametrize(
    ("text", "entity", "said", "value"),
    [
        ("ping 10.0.0.254.", "IP_ADDRESS", "10.0.0.254", "10.0.0.254"),
        ("a |10.1.2.3| b", "IP_ADDRESS", "10.1.2.3", "10.1.2.3"),
        ("on 2001:DB8::1, ok", "IP_ADDRESS", "2001:DB8::1", "2001:db8::1"),
        (
            "it is one ninety two dot one six eight dot zero dot one",
            *("IP_ADDRESS", "one ninety two dot one six eight dot zero dot one", "192.168.0.1"),
        ),
        (
            "from GB33 BUKB 2020 1555 5555 55 on",
            *("IBAN_CODE", "GB33 BUKB 2020 1555 5555 55", "GB33BUKB20201555555555"),
        ),
        (
            "coins to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            *(("CRYPTO",) + ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",) * 2),
        ),
        (
            "coins to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            *(("CRYPTO",) + ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",) * 2),
        ),
        ("my driver's license is D123-4567", "US_DRIVER_LICENSE", "D123-4567", "D1234567"),
        ("DL# S1234567890123 valid", "US_DRIVER_LICENSE", "S1234567890123", "S1234567890123"),
    ],
)
def test_codes(text: str, entity: str, said: str, value: str) -> None:
    """Addresses of machines, accounts, wallets and licences are found with their values."""
    assert found_in(text) == [(entity, said, value)]


@pytest.mark.parametrize(
    ("text", "said", "value"),
    [
        ("born on 3/29/1982.", "3/29/1982", "1982-03-29"),
        ("born on 29/3/1982,", "29/3/1982", "1982-03-29"),
        ("at 1998-06-28 14:48:14: failed", "1998-06-28 14:48:14", "1998-06-28T14:48:14"),
        ("on Monday, March 5th, 2019 we met", "Monday, March 5th, 2019", "2019-03-05"),
        ("on 5 March we met", "5 March", "5 march"),
        ("born march third nineteen eighty five", "march third nineteen eighty five", "1985-03-03"),
        ("it was the fifth of May, I think", "the fifth of May", "the fifth of may"),
        ("on january the fifth", "january the fifth", "january the fifth"),
        ("Sat, 12 Oct 2024 10:15", "Sat, 12 Oct 2024 10:15", "2024-10-12T10:15"),
        ("In May we left", "May", "may"),
        ("During 2001, Lane left", "2001", "2001"),
        ("opened in 1965.", "1965", "1965"),
        ("see you Tuesday morning", "Tuesday", "tuesday"),
        ("at 3:45 p.m. then", "3:45 p.m.", "3:45 p.m."),
    ],
)
def test_date(text: str, said: str, value: str) -> None:
    """Complete dates are ISO 8601, month first unless that is no date."""
    assert found_in(text) == [("DATE_TIME", said, value)]


@pytest.mark.parametrize(
    ("text", "said", "value"),
    [
        ("so (555) 555-0123 it is", "(555) 555-0123", "5555550123"),
        ("so +44 (0)20 7946 0018.", "+44 (0)20 7946 0018", "+4402079460018"),
        ("use 001-555-555-0123x42 now", "001-555-555-0123x42", "0015555550123x42"),
        ("call 555-555-0123 ext. 7 now", "555-555-0123 ext. 7", "5555550123x7"),
        ("call me on 07700 900123.", "07700 900123", "07700900123"),
        ("my number is 5555550123.", "5555550123", "5555550123"),
        ("fax: 84 23 30", "84 23 30", "842330"),
        ("it is 84 23 30 office", "84 23 30", "842330"),
        ("call 555-555-0123 2 times", "555-555-0123", "5555550123"),
    ],
)
def test_phone(text: str, said: str, value: str) -> None:
    """Forms that speak for themselves are found anywhere, others where a phone is talked of."""
    assert found_in(text) == [("PHONE_NUMBER", said, value)]


@pytest.mark.parametrize(
    "text",
    [
        "I paid $1,299.99 for 3 of 12.",
        "order 114-2938475-8827362 is late",
        "version 10.2.3.4 and 2.14.3",
        "it is done.Then we left",
        "run setup.py and README.md",
        "I may march at once",
        "2000 dollars in 2000 pieces",
        "13/45/2020 or 99.99.99",
        "from GB34 BUKB 2020 1555 5555 55 on",
        "coins to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "the code D1234567 is wrong",
        "the dot on the i at one point",
        "the number is 84 23 30",
        "about 24/7 and 16:9",
    ],
)
def test_harmless(text: str) -> None:
    """Prices, versions, orders and wrong check digits are nobody's data."""
    assert found_in(text) == []


def test_card_wins_over_phone() -> None:
    """Where finds share text, the surest one counts."""
    found = everything("call me, my card number is 4111 1111 1111 1111")
    assert [entity.type for entity in found] == ["CREDIT_CARD"]


@pytest.mark.parametrize("word", ["hello", "the account", "one", "first", "is", "at", "3rd-party"])
def test_ordinary_words_open_nothing(word: str) -> None:
    """Words that are everywhere cost nothing, and wait for one that opens."""
    expected = {"3rd-party": True}.get(word, False)
    assert bool(clues(word) & Clue.OPENS) is expected


def test_an_address_is_told_at_once() -> None:
    """What no next word can extend is not kept waiting."""
    (said,) = said_words([sentence("jo@example.org")])
    memory, found = WRITTEN.on_word(EMPTY, said, NO_TALK, [said])
    assert [entity.at_s for entity in found] == [said.word.span.end_s]
    assert memory.run == ()


def test_a_date_is_told_after_a_silence() -> None:
    """A run that may go on is told when the speaker is silent, and only once."""
    memory = EMPTY
    words = said_words([sentence("born on March 5")])
    for n, said in enumerate(words, 1):
        memory, found = WRITTEN.on_word(memory, said, NO_TALK, words[:n])
        assert found == ()
    end_s = said.word.span.end_s
    memory, found = WRITTEN.on_silence(memory, end_s + PAUSE_S, NO_TALK)
    assert found == ()
    memory, found = WRITTEN.on_silence(memory, end_s + PAUSE_S + 0.1, NO_TALK)
    assert [(entity.type, entity.at_s) for entity in found] == [("DATE_TIME", end_s + PAUSE_S)]
    assert WRITTEN.on_end(memory, end_s + 9, NO_TALK)[1] == ()


def test_only_wanted_entities() -> None:
    """What no rule asks for is not reported."""
    listener = WrittenListener(frozenset({"URL"}))
    (said,) = said_words([sentence("jo@example.org")])
    assert listener.on_word(EMPTY, said, NO_TALK, [said])[1] == ()


def test_memory_is_bounded() -> None:
    """A long call costs no more memory than a short one; what runs on and on is cut."""
    memory = EMPTY
    words = said_words([sentence("so it goes " * 100 + "12 34 " * 300)])
    for n, said in enumerate(words, 1):
        memory, _ = WRITTEN.on_word(memory, said, NO_TALK, words[:n])
        assert len(memory.run) <= MAX_RUN_WORDS
        assert len(memory.before) <= KEPT_WORDS


def test_nothing_shows_in_repr() -> None:
    """What was said stays out of logs."""
    said = said_words([sentence("5551234 x")])[0]
    memory, _ = WRITTEN.on_word(EMPTY, said, NO_TALK, [said])
    assert "5551234" not in repr(memory)
    assert "5551234" not in repr(said)


def _cut(text: str, cuts: frozenset[int]) -> list[Utterance]:
    words = words_from_text(text, Span(0.0, len(text.split()) * SECONDS_PER_WORD))
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(words)), len(words)]
    return [
        utterance_from_words(
            [(word.text, word.span, None) for word in words[a:b]], id=str(i), speaker=None
        )
        for i, (a, b) in enumerate(pairwise(edges))
    ]


def _pieces(entity: Entity, utterances: list[Utterance]) -> str:
    texts = {utterance.id: utterance.text for utterance in utterances}
    return " ".join(texts[p.utterance_id][p.start_chars : p.end_chars] for p in entity.parts)


_PARTS = (
    *(
        "call me at (555) 555-0123",
        "born on March 5th, 2019 at 3 pm.",
        "jo dot lee at gmail dot com",
    ),
    *("GB33 BUKB 2020 1555 5555 55", "and 12 34 56 78", "the fifth of May", "in 1999", "ok so"),
    *("R-O-Y, all one word, at fir grove dot i o", "the 3rd of May 1951, my birthday", "no, um"),
    *("b for bravo, at x dot com, no, dot org", "ten point 0 point 0 point 1", "red fox one word"),
    *("my driver's license is D1234567", "https://example.com/x!", "at example.com", "10.0.0.1"),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=5), st.frozensets(st.integers(1, 40)))
def test_any_cut_gives_the_same(parts: list[str], cuts: frozenset[int]) -> None:
    """How words are cut into utterances changes nothing."""
    text = " ".join(parts)
    whole, cut = _cut(text, frozenset()), _cut(text, cuts)
    expected = [
        (e.type, e.value, e.span, e.score, e.at_s, _pieces(e, whole)) for e in written(whole)
    ]
    got = [(e.type, e.value, e.span, e.score, e.at_s, _pieces(e, cut)) for e in written(cut)]
    assert got == expected


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abIo019 .,:-/+()@#x\u20ac\u00e9'\n", max_size=80))
def test_any_text_is_read(text: str) -> None:
    """No text breaks the listener, and every find lies within its text."""
    if not text.split():
        return
    for entity in written([sentence(text)]):
        assert entity.type in ENTITIES
        assert 0 <= entity.parts[0].start_chars < entity.parts[-1].end_chars <= len(text)
