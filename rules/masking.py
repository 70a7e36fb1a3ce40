"""Covering personal data in text without changing its length."""

from __future__ import annotations

import re
from collections.abc import Iterable

import re2

from rules.spoken import STARTERS, Kind, Token, read, split_word
from rules.types import TextRange

MASK = "•"
MIN_MASKED_DIGITS = 3

# re2 answers in linear time whatever the text; offsets are in characters.
_WORD = re.compile(r"\S+")
_EMAIL = re2.compile(r"\S+@\S+")
_SPOKEN_EMAIL = re2.compile(
    r"(?i)(?:\S+\s+){0,4}\S+\s+at\s+\w+(?:\s+\w+)?(?:\s+dot\s+|\.)"
    r"(?:com|net|org|edu|gov|io|co|uk|de)\b"
)


def mask_text(text: str, ranges: Iterable[TextRange]) -> str:
    """Replace letters and digits within the ranges; spaces and punctuation stay.

    >>> mask_text("card 4539-1488", [TextRange(utterance_id="u1", start_chars=5, end_chars=14)])
    'card ••••-••••'
    """
    return _masked(text, [(part.start_chars, part.end_chars) for part in ranges])


def mask_numbers(text: str) -> str:
    """Mask every run that reads as three or more digits, and everything like an e-mail address.

    For showing transcripts: it rather masks a price too many than a card number too few.

    >>> mask_numbers("Call five five five one, please")
    'Call •••• •••• •••• •••, please'
    """
    covered = [match.span() for match in _EMAIL.finditer(text)]
    covered += [match.span() for match in _SPOKEN_EMAIL.finditer(text)]
    run: list[Token] = []
    for i, match in enumerate(_WORD.finditer(text)):
        word = match.group()
        if sum(char.isdigit() for char in word) >= MIN_MASKED_DIGITS:
            covered.append(match.span())
        for piece in split_word(word):
            if piece.kind is Kind.BREAK or not (run or piece.kind in STARTERS):
                covered += _covered(run)
                run = []
                continue
            run.append(Token.of(piece, ordinal=i, start_chars=match.start()))
    return _masked(text, covered + _covered(run))


def _covered(run: list[Token]) -> list[tuple[int, int]]:
    digits = read(run).digits
    if len(digits) < MIN_MASKED_DIGITS:
        return []
    return [(run[digits[0].first].start_chars, run[digits[-1].last].end_chars)]


def _masked(text: str, ranges: Iterable[tuple[int, int]]) -> str:
    chars = list(text)
    for start, end in ranges:
        for i in range(max(0, start), min(len(chars), end)):
            if chars[i].isalnum():
                chars[i] = MASK
    return "".join(chars)
