"""Telephone numbers as people write them, in the ways of many countries.

Some forms speak for themselves ("+41 44 …", "(555) 123-4567", "x123"); the others are a phone
number only where the words around them say so, because orders and parcels look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rules.detectors.passage import Find, Passage, word_set

ENTITY = "PHONE_NUMBER"

SCORE_BOTH = 0.95  # announced, and of a form that speaks for itself
SCORE_FORM = 0.75
SCORE_EXPECTED = 0.65
SCORE_AGAINST = 0.45  # the form of a phone number, but the talk was of something else

MIN_DIGITS = 6
MAX_DIGITS = 12  # without an international prefix; a card has more
MAX_FULL_DIGITS = 15  # ITU-T E.164
MAX_GROUPS = 7
REACH_WORDS = 10
NEAR_WORDS = 6  # a form that says nothing needs its announcement near

_EXTENSION = r"(?:,? ?(?:x|ext\.?|extension|#) ?(?P<extension>[0-9]{1,6}))?"
_STRETCH = re.compile(
    rf"(?<![\w.@:$€£%])(?<!\w[-/#])(?:tel:)?(?P<number>[+(]{{0,2}}[0-9]"
    rf"(?:[0-9]|[ ().\-/\u2011\u2013]{{1,3}}(?=[0-9(]))*){_EXTENSION}"
    r"(?![0-9%@]|[A-Za-z](?![A-Za-z])|:[0-9])",
    re.IGNORECASE,
)
_ENOUGH = re.compile(rf"(?:[0-9][^0-9]*){{{MIN_DIGITS}}}")
_GROUP = re.compile(r"\S+")
_LABEL = re.compile(r"[ \-(]{1,3}([A-Za-z]+)")
_SEPARATORS = re.compile(r"[\s().\-/\u2011\u2013]+")

_STRONG = tuple(
    re.compile(form)
    for form in (
        r"\+[0-9]{1,3}(?:[ .\-/]?\(?[0-9]{1,5}\)?){2,6}",
        r"\+[0-9]{8,15}",
        r"\(\+[0-9]{1,3}\)(?:[ .\-]?[0-9]{2,9}){1,5}",
        r"00[1-9][0-9]{0,2}(?:[ .\-][0-9]{2,5}){2,5}",
        r"(?:1[ .\-]?)?\([2-9][0-9]{2}\) ?[0-9]{3}[ .\-]?[0-9]{4}",
        r"(?:1[ .\-])?[2-9][0-9]{2}([ .\-])[2-9][0-9]{2}\1[0-9]{4}",
        r"\(0[0-9]{1,5}\) ?[0-9]{3,4}[ \-]?[0-9]{3,4}",
        r"\([0-9]{2,5}\) ?[0-9]{2,4}[ \-][0-9]{2,4}(?:[ \-][0-9]{2,4})?",
        r"0[1-9][0-9]?(?:([ .\-])[0-9]{2}){4}",
        r"0[1-9][0-9]{1,3}(?: [0-9]{3,4}){2}",
        r"0[1-9][0-9]{1,2} [0-9]{3} [0-9]{2} [0-9]{2}",
        r"0[1-9][0-9]{2,3}[ \-][0-9]{6,7}",
    )
)
_GROUPED = re.compile(
    r"\(?\+?[0-9]{1,5}\)?(?:[ .\-/()]{1,2}[0-9]{2,8}){1,5}|[0-9]{6,12}|0[0-9]{6,11}"
)
_NOT_PHONES = re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]+\.[0-9]+|[0-9]{5}-[0-9]{4}")

_PHONE_WORDS = word_set(
    """phone phones telephone tel mobile cell cellphone cellular landline fax office desk call calls
    called calling caller callback ring dial dialed text texts texted texting sms message messages
    messaging whatsapp telegram signal reach reached contact contacts contacted hotline helpline
    answer answering answers voicemail registered handset pager home work direct line switchboard
    ph mob"""
)
_OTHER_WORDS = word_set(
    """card cards cc credit debit account accounts ssn social security order orders invoice tracking
    zip postcode licence license passport reference ref case ticket serial isbn sku part model item
    confirmation booking policy claim member routing iban bill amount balance price total version
    id pin code fax-id product"""
)
_WHOSE = frozenset({"my", "your", "his", "her", "our", "their"})
_WORDS_BEHIND = word_set("office fax mobile cell home work desk landline phone direct")


@dataclass(frozen=True, slots=True)
class _Shape:
    start: int
    end: int
    digits: int
    strong: bool
    whole: bool  # nothing of the stretch is left out
    last: bool  # it reaches the end of the stretch: a postcode before it is no part of it


def phones(passage: Passage) -> Iterator[Find]:
    """Telephone numbers; an extension belongs to its number."""
    if not _ENOUGH.search(passage.text):
        return
    if sum(map(str.isdigit, passage.text)) < MIN_DIGITS:
        return
    for match in _STRETCH.finditer(passage.text):
        expected = _expected(passage, match.start(), match.end(), REACH_WORDS)
        announced = _expected(passage, match.start(), match.end(), NEAR_WORDS)
        start = match.start("number")
        best: tuple[bool, bool, float, int, _Shape] | None = None
        for shape in _shapes(passage.text, start, match.end("number"), bool(match["extension"])):
            score = _score(shape, expected if shape.strong else announced)
            if score is None:
                continue
            rank = (shape.whole, shape.strong or shape.last, score, shape.digits, shape)
            if best is None or rank[:4] > best[:4]:
                best = rank
        if best is None:
            continue
        _, _, score, _, shape = best
        end = match.end() if shape.end == match.end("number") else shape.end
        value = re.sub(r"[^0-9]", "", passage.text[shape.start : shape.end])
        value = ("+" if passage.text[shape.start] == "+" else "") + value
        if match["extension"] and end == match.end():
            value += "x" + match["extension"]
        yield Find(ENTITY, shape.start, end, value, score)


def _score(shape: _Shape, expected: bool | None) -> float | None:
    if shape.strong:
        return SCORE_BOTH if expected else SCORE_FORM if expected is None else SCORE_AGAINST
    return SCORE_EXPECTED if expected else None


def _expected(passage: Passage, start: int, end: int, reach_words: int) -> bool | None:
    """Whether the words around say that this is a phone number; None = they say nothing."""
    behind = _LABEL.match(f"{passage.text[end:]} {passage.after}")
    if behind is not None and behind.group(1).casefold() in _WORDS_BEHIND:
        return True
    words = passage.words_before(start)[-reach_words:]
    for i, word in reversed(tuple(enumerate(words))):
        if word == "number" and i and words[i - 1] in _WHOSE:
            return True  # "my number is …": one's card or account would be named
        stem = word.removesuffix("'s").rstrip("#")
        if stem in _PHONE_WORDS or stem.startswith("phone"):
            return True
        if stem in _OTHER_WORDS:
            return False
    return None


def _shapes(text: str, start: int, end: int, extended: bool) -> Iterator[_Shape]:
    """The whole stretch, and its parts that begin and end at spaces."""
    groups = [(start + m.start(), start + m.end()) for m in _GROUP.finditer(text[start:end])]
    for i, (first, _) in enumerate(groups):
        complete = False
        for _, last in groups[i : i + MAX_GROUPS]:
            said = text[first:last]
            if said.count("(") != said.count(")"):
                continue
            n_digits = sum(char.isdigit() for char in said)
            full = said.startswith(("+", "00"))
            if not MIN_DIGITS <= n_digits <= (MAX_FULL_DIGITS if full else MAX_DIGITS):
                continue
            if _NOT_PHONES.fullmatch(said):
                continue
            form = any(pattern.fullmatch(said) for pattern in _STRONG)
            complete = complete or form
            if form or (extended and last == end and n_digits >= 7):
                yield _Shape(
                    first, last, n_digits, True, (first, last) == (start, end), last == end
                )
            elif (
                not complete
                and len(set(_SEPARATORS.sub("", said))) > 1
                and _GROUPED.fullmatch(said)
            ):
                yield _Shape(
                    first, last, n_digits, False, (first, last) == (start, end), last == end
                )
