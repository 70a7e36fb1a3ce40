"""What the form of a single word tells: whether written personal data may begin or go on in it.

Most words tell nothing, and a listener that hears every word of a call must find that out in a
fraction of a microsecond, so the answer is remembered for the words that were seen last.
"""

from __future__ import annotations

import re
from enum import IntFlag

from rules.detectors.calendar import MONTH_WORDS, NUMBER_WORDS, ORDINAL_WORDS, WEEKDAY_WORDS
from rules.detectors.domain import BARE_DOMAIN, has_known_ending
from rules.detectors.passage import word_set
from rules.word_cache import word_cache

MAX_WORD_CHARS = 2_048  # longer "words" are pasted data; nobody says or writes such a thing


class Clue(IntFlag):
    """What a word may be part of."""

    NONE = 0
    OPENS = 1  # something may begin here
    JOINS = 2  # goes on with what is open, and begins nothing
    SYMBOL = 4  # "dot", "at": whatever follows belongs to it
    DOT = 8  # "dot": the words before it belong to it, too
    ATOM = 16  # complete in itself: no next word can extend it
    MONTH = 32  # a day may stand before it
    ENDS = 64  # a question mark or the like: nothing goes on behind it
    NUMBER = 128  # a spoken number
    LETTER = 256  # a letter, spelled
    ASKED = 512  # something may begin here, if what was said before asks for it


_JOINING = word_set(
    """of the and am pm a.m p.m o'clock noon midnight ext extension x utc gmt est edt pst pdt cet
    hundred thousand double www http https"""
)
_SYMBOLS = word_set("at @ dot slash dash hyphen underscore colon plus minus point period")
_DOTS = {
    "dot": Clue.DOT | Clue.OPENS,
    "point": Clue.DOT | Clue.JOINS | Clue.ASKED,
    "period": Clue.DOT | Clue.JOINS | Clue.ASKED,
}
_EDGES = "\"'.,;:!?()[]{}<>\u2019\u2018\u201c\u201d\u2026"
_AT_SIGN = re.compile(r"\w@\w")
_IBAN_GROUP = re.compile(r"[A-Z]{1,4}")
_SPELLED_LICENCE = re.compile(r"(?=[A-Za-z]*[a-z])[A-Za-z][A-Za-z]*[A-Z][A-Za-z]*")
_LICENCE_LETTERS = (8, 12)  # New York and Washington issue numbers without a digit
_IP4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_LONG_HEX = re.compile(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}")
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?")


def core(text: str) -> str:
    """A word without the punctuation around it, in lower case."""
    return text.strip(_EDGES).casefold()


@word_cache
def clues(text: str) -> int:
    """What a word may be part of, as `Clue` bits.

    >>> clues("hello")
    0
    >>> Clue(clues("dot"))
    <Clue.OPENS|SYMBOL|DOT: 13>
    """
    if len(text) > MAX_WORD_CHARS:
        return int(Clue.NONE)
    said = core(text)
    found = Clue.OPENS if said.isdigit() and said.isascii() else _of_word(text, said)
    if found and text.rstrip("\"')\u201d\u2019").endswith(("?", "!", ";")):
        found |= Clue.ENDS
    return int(found)


def _of_word(text: str, said: str) -> Clue:
    if said in _SYMBOLS:
        return Clue.SYMBOL | _DOTS.get(said, Clue.JOINS)
    if said in MONTH_WORDS:
        return Clue.OPENS | Clue.MONTH
    if said in WEEKDAY_WORDS:
        return Clue.OPENS
    if said in ORDINAL_WORDS:
        return Clue.JOINS | Clue.NUMBER | Clue.ASKED
    if said in NUMBER_WORDS:
        return Clue.JOINS | Clue.NUMBER
    if len(said) == 1 and said.isalpha():
        return Clue.JOINS | Clue.LETTER
    if said.isalpha() and text.startswith((said[0], said[0].upper())):  # nearly all words
        return Clue.JOINS if said in _JOINING else _of_letters(text.strip(_EDGES))
    if _is_atom(text, said):
        return Clue.OPENS | Clue.ATOM
    if any(char.isdigit() for char in text):
        return Clue.OPENS
    if said in _JOINING:
        return Clue.JOINS
    if "-" in said and all(
        part in NUMBER_WORDS or part in ORDINAL_WORDS for part in said.split("-")
    ):
        return Clue.JOINS | Clue.NUMBER
    return _of_letters(text.strip(_EDGES))


def _of_letters(plain: str) -> Clue:
    if len(plain) in _LICENCE_LETTERS and _SPELLED_LICENCE.fullmatch(plain):
        return Clue.OPENS
    return Clue.JOINS if _IBAN_GROUP.fullmatch(plain) else Clue.NONE


def _is_atom(text: str, said: str) -> bool:
    if "://" in text or said.startswith("www.") or _AT_SIGN.search(text) or _IP4.search(text):
        return True
    if said.count(":") > 1 and _LONG_HEX.search(said) and not _TIME.fullmatch(said):
        return True
    if "." not in said:
        return False
    domain = BARE_DOMAIN.search(text)
    return domain is not None and has_known_ending(domain.group("host"))
