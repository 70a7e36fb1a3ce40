"""Street addresses: a house number, the name of a street, and what kind of street it is.

The kind ("street", "avenue") comes last, as in English, so an address is looked for backwards from
it among the words that are remembered anyway. Kinds that everyday talk is full of ("drive", "way")
count only behind words that announce an address, and so does no number that counts something.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rules.alphabets import bare
from rules.detectors.passage import word_set
from rules.phrases import MAX_PAUSE_S
from rules.said import SaidWord, hull, ranges
from rules.spoken import Kind, read, split_word
from rules.types import Entity

ENTITY = "STREET_ADDRESS"
SCORE_ANNOUNCED = 0.85
SCORE_ALONE = 0.6
MAX_NAME_WORDS = 4
MAX_NUMBER_WORDS = 5
ANNOUNCING_WORDS = 8

_KINDS = word_set("street avenue ave blvd boulevard road rd st lane terrace crescent parkway pkwy")
_EVERYDAY_KINDS = word_set(
    "drive dr court ct place pl close way square park gardens grove row hill highway circle"
)
_ANNOUNCING = word_set(
    """address live lives living lived located location reside resides residence ship shipping mail
    mailing deliver delivered delivery billing home house moved"""
)
# No street is called so, or the number before it counts something else.
_NO_NAME = word_set(
    """a an the of in on at to from for with by and or but is are was were be been it this that
    these those my your his her our their one-way way two-way lane four-lane minute minutes
    hour hours day days week weeks month months year years mile miles block blocks foot feet
    meter meters people times time percent dollar dollars more most other down up off across
    same next last first along per every about stores shops houses homes people's side
    thousand million am pm a.m p.m"""
)
_NAME = re.compile(r"[^\W\d_][\w'\u2019.-]*|[0-9]{1,3}(?:st|nd|rd|th)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,5}[A-Za-z]?")
_COUNTING = frozenset({Kind.UNIT, Kind.TEEN, Kind.TENS, Kind.HUNDRED, Kind.OH, Kind.DIGITS})


def street_addresses(recent: Sequence[SaidWord]) -> tuple[Entity, ...]:
    """The address that a speaker's last word completes, if it does.

    Args:
        recent: The speaker's latest words.
    """
    kind = recent[-1].form.bare
    everyday = kind in _EVERYDAY_KINDS
    if not everyday and kind not in _KINDS:
        return ()
    first = _start_of_name(recent)
    if first is None:
        return ()
    start, number = _number_before(recent, first)
    if not number:
        return ()
    announced = any(
        place.form.bare in _ANNOUNCING for place in recent[max(0, start - ANNOUNCING_WORDS) : start]
    )
    if everyday and not announced:
        return ()
    used = recent[start:]
    name = [bare(place.word.text).casefold() for place in recent[first:]]
    return (
        Entity(
            type=ENTITY,
            value=" ".join([number, *name]),
            speaker=recent[-1].speaker,
            span=hull(used),
            parts=ranges(used),
            score=SCORE_ANNOUNCED if announced else SCORE_ALONE,
            at_s=recent[-1].word.span.end_s,
        ),
    )


def _joins(before: SaidWord, after: SaidWord) -> bool:
    """Whether two words that follow each other may belong to one address."""
    return not before.form.stop and after.word.span.start_s - before.word.span.end_s <= MAX_PAUSE_S


def _counts(text: str) -> bool:
    if _NUMBER.fullmatch(bare(text)):
        return True
    return all(piece.kind in _COUNTING for piece in split_word(text))


def _start_of_name(recent: Sequence[SaidWord]) -> int | None:
    """Where the street's name begins, which a number must precede."""
    for n in range(1, MAX_NAME_WORDS + 2):
        at = len(recent) - 1 - n
        if at < 0 or not _joins(recent[at], recent[at + 1]):
            return None
        text = recent[at].word.text
        if _counts(text):
            return at + 1 if n > 1 else None
        said = bare(text)
        if said.casefold() in _NO_NAME or not _NAME.fullmatch(said):
            return None
    return None


def _number_before(recent: Sequence[SaidWord], end: int) -> tuple[int, str]:
    """Where the house number begins that ends before a word, and the number; "" if it is none."""
    start = end - 1
    written = bare(recent[start].word.text)
    while (
        start > 0
        and end - start < MAX_NUMBER_WORDS
        and not _NUMBER.fullmatch(written)
        and _counts(recent[start - 1].word.text)
        and _joins(recent[start - 1], recent[start])
    ):
        start -= 1
    if _NUMBER.fullmatch(written):
        return start, written.upper()
    tokens = [
        place.token(piece) for place in recent[start:end] for piece in split_word(place.word.text)
    ]
    number = "".join(digit.value for digit in read(tokens).digits)
    return (start, number) if 1 <= len(number) <= 5 else (start, "")
