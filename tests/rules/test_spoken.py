"""Reading digits from words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.spoken import Kind, Token, read, split_word


def tokens_of(text: str) -> list[Token]:
    """All pieces of a text as one run, at 0.4 seconds a word."""
    tokens: list[Token] = []
    at_chars = 0
    before = ""
    for i, word in enumerate(text.split()):
        start = text.index(word, at_chars)
        at_chars = start + len(word)
        tokens += [
            Token.of(
                piece,
                ordinal=i,
                start_chars=start,
                utterance_id="u",
                start_s=i * 0.4,
                end_s=(i + 1) * 0.4,
            )
            for piece in split_word(word, before)
        ]
        before = word.casefold()
    return tokens


def digits_of(text: str) -> str:
    return "".join(digit.value for digit in read(tokens_of(text)).digits)


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("one two three", "123"),
        ("zero oh o nought", "0000"),
        ("forty five thirty nine", "4539"),
        ("forty-five thirty-nine", "4539"),
        ("forty, five", "405"),
        ("eighteen eighty one", "1881"),
        ("twenty oh five", "2005"),
        ("forty forty", "4040"),
        ("one twenty three", "123"),
        ("fifty one hundred", "5100"),
        ("five hundred thirty six", "536"),
        ("five hundred and six", "506"),
        ("one eight hundred five five five", "1800555"),
        ("seven thousand", "7000"),
        ("four thousand, oh five sixty-six", "40000566"),
        ("two thousand and five", "2005"),
        ("two thousand twelve", "2012"),
        ("four zeros, seven thousand", "00007000"),
        ("four one one one for ones for ones", "411111111111"),
        ("four one for five", "4145"),
        ("M-2-1-2-O-9-76-9-4", "212097694"),
        ("m-212-097694", "212097694"),
        ("double four", "44"),
        ("triple zero seven", "0007"),
        ("double eleven", "1111"),
        ("double 1 4", "114"),
        ("four ones", "1111"),
        ("two 5s", "55"),
        ("three nines four", "9994"),
        ("four five uh three um nine", "4539"),
        ("four dash five dot three", "453"),
        ("4539-1488", "45391488"),
        ("4-5-3-9", "4539"),
        ("453-I-1488", "45311488"),
        ("4539-l488-O343", "453914880343"),
        ("4539, 148, 0343647", "45391480343647"),
        ("four five for three", "4543"),
        ("for four five", "45"),
        ("one to", "1"),
        ("four five won six", "4516"),
    ],
)
def test_reads_digits(said: str, digits: str) -> None:
    """Spoken forms and what recognisers make of them become the digits that were meant."""
    assert digits_of(said) == digits


@pytest.mark.parametrize(
    "word",
    ["$45.99", "10:30", "12/05/2024", "1Z999AA1", "+1-555-0100", "ORD-4539148803436467", "50%"],
)
def test_prices_times_and_codes_are_no_digits(word: str) -> None:
    """What is plainly a price, a time, a date, a phone number or a code ends a run."""
    assert [piece.kind for piece in split_word(word)] == [Kind.BREAK]


def test_hundreds_are_sums_or_groups() -> None:
    """In "eighty-eight hundred nineteen" are 8819, or 8800 and 19: a check digit must tell."""
    tokens = tokens_of("eighty eight hundred nineteen")
    readings = ["".join(d.value for d in read(tokens, sums=sums).digits) for sums in (True, False)]
    assert readings == ["8819", "880019"]


def test_last_four_is_a_count() -> None:
    """In "the last four" the four is no digit."""
    assert [piece.kind for piece in split_word("four", "last")] == [Kind.BREAK]


def test_keeps_the_map_to_characters() -> None:
    """Each digit knows the characters that it was read from, multipliers included."""
    text = "double four 12, sixty-seven"
    tokens = tokens_of(text)
    ranges = [
        text[tokens[digit.first].start_chars : tokens[digit.last].end_chars]
        for digit in read(tokens).digits
    ]
    assert ranges == ["double four", "double four", "12", "12", "sixty", "sixty-seven"]


def test_correction_is_marked() -> None:
    """A correction is kept with its place; what it takes back is for the detectors to say."""
    reading = read(tokens_of("four five no sorry six"))
    assert (reading.corrections, [d.value for d in reading.digits]) == ((2,), ["4", "5", "6"])


WORDS = st.sampled_from(
    [
        *("one", "two", "three", "forty", "eleven", "hundred", "double", "triple", "oh", "for"),
        *("to", "ones", "45", "4539-1488", ",", "and", "no", "sorry", "uh", "dash", "I-1"),
        *("453-I-2", "last", "four", "1s", "six.", "twenty,"),
    ]
)


@given(st.lists(WORDS | st.text(min_size=1, max_size=12), max_size=60))
def test_reads_anything(words: list[str]) -> None:
    """No text makes the reader fail, and every digit points at tokens that exist."""
    tokens = tokens_of(" ".join(words))
    for digit in read(tokens).digits:
        assert digit.value in set("0123456789")
        assert 0 <= digit.first <= digit.last < len(tokens)
        assert 0 <= tokens[digit.first].start_chars <= tokens[digit.last].end_chars
