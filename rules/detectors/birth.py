"""Dates of birth: a day that was announced as one, or is called one behind it.

Where a birth is talked of, a year may be two digits ("the fifth of May, fifty-five") and a month a
number ("the seventh of the first, sixty-four"); elsewhere neither is read as a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date as Day

from rules.detectors import date
from rules.detectors.calendar import MONTH_WORDS, NUMBER_WORDS, ORDINAL_WORDS
from rules.detectors.passage import Find, Passage, word_set

ENTITY = "DATE_OF_BIRTH"
SCORE = date.SCORE_DATE
SCORE_SHORT_YEAR = 0.85

YOUNGEST_YEAR = 26  # two digits up to here are of this century

_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_BELOW_100 = rf"(?:(?:{_TENS})(?:[ -](?:{_UNITS}))?|{_TEENS}|(?:oh|o|zero)[ -](?:{_UNITS}))\b"
_ORDINALS = "|".join(sorted(ORDINAL_WORDS, key=len, reverse=True))
_ORDINAL = rf"(?:(?:(?:twenty|thirty)[ -])?(?:{_ORDINALS})\b|[0-3]?[0-9](?:st|nd|rd|th)\b)"
_CARDINAL = rf"(?:(?:twenty|thirty)(?:[ -](?:{_UNITS}))?|{_TEENS}|{_UNITS}|[0-3]?[0-9](?![\w:/]))"
_DAY = rf"(?P<day>{_ORDINAL}|{_CARDINAL})"
_YEAR = (
    r"(?P<year>(?:19|20)[0-9]{2}(?![\w:/-])|['\u2019]?[0-9]{2}(?![\w:/]| ?[ap]\.?m)"
    rf"|(?:eighteen|nineteen|twenty)[ -](?:hundred(?: and)? )?{_BELOW_100}"
    rf"|two thousand(?: and)?(?: (?:{_BELOW_100}|(?:{_UNITS})\b))?|{_BELOW_100})"
)
_MONTH = rf"(?P<month>{'|'.join(sorted(MONTH_WORDS, key=len, reverse=True))})\b"
_OF = r"[.,]?[ -](?:of |in |the year )*"
_FORMS = tuple(
    re.compile(rf"(?<![\w/:-]){form}{_OF}{_YEAR}", re.IGNORECASE)
    for form in (
        rf"{_MONTH}[.,]?[ -](?:the )?{_DAY}",
        rf"{_DAY}[ -](?:of )?{_MONTH}",
        rf"(?P<day>{_ORDINAL}) of (?:the )?(?P<nth>{_ORDINAL})(?: month)?",
    )
)
_AS_CENTURIES = frozenset({"nineteen", "twenty"})
_WHOSE = r"(?:my|his|her|your|their|our|the|\w+'s)"
_IS = r"(?:that's|thats|that is|that was|it's|its|is|was|which is|which was|would be)"
_NAMED = r"(?:birthday|birth ?date|date of birth|day of birth|dob|d\.?o\.?b|d o b)\b"
_LABEL = re.compile(
    rf"[.,;:]? ?(?:(?:{_IS} )?(?:also |actually )?{_WHOSE} (?:\w+'s )?{_NAMED}"
    r"(?! (?:is|was|party|present|falls))(?!'s)"
    rf"|(?:{_IS} )?(?:when|the day|the date|the day that) \w+ (?:was|were) born\b"
    rf"|{_IS} (?:when )?\w+ (?:was|were) born\b)",
    re.IGNORECASE,
)
_CALLED = re.compile(r"\bborn\b|\bbirth|\bd\.?o\.?b\b|\bd o b\b", re.IGNORECASE)
LABEL_WORDS = word_set(
    """that's thats that is was it's its which would be my his her your their our the birthday
    birth birthdate date of day dob d o b d.o.b when i he she they you we were born also actually"""
)
_BIRTH_WORDS = word_set("born birth birthday birthdate birthdays dob d.o.b")
_OTHER_WORDS = word_set(
    """appointment appointments meeting deadline delivery delivered deliver due book booked booking
    scheduled schedule flight visit visited policy payment paid invoice order ordered since moved
    married opened started start starts joined until statement charge charged expires expired expiry
    anniversary contract issued signed renewal renewed cancelled canceled called"""
)
_REACH_WORDS = 12


def births(passage: Passage, dates: Sequence[Find], *, announced: bool) -> Iterator[Find]:
    """Dates of birth, as ISO 8601.

    Args:
        passage: The words.
        dates: The complete dates that were found in it.
        announced: Whether a birth was talked of before.
    """
    if not announced and not _CALLED.search(passage.text):
        return
    read = list(_read(passage.text))
    plain = [
        Find(ENTITY, find.start, find.end, _past(find.value), SCORE)
        for find in dates
        if all(find.end <= other.start or other.end <= find.start for other in read)
    ]
    for find in (*read, *plain):
        called = bool(_LABEL.match(passage.text, find.end))
        if called or (announced and not _is_other(passage.words_before(find.start))):
            yield find


def _is_other(before: tuple[str, ...]) -> bool:
    """Whether the words before a date speak of something else, nearer than of a birth."""
    for word in reversed(before[-_REACH_WORDS:]):
        if word in _BIRTH_WORDS:
            return False
        if word in _OTHER_WORDS:
            return True
    return False


def _read(text: str) -> Iterator[Find]:
    matches = [match for form in _FORMS for match in form.finditer(text)]
    end = 0
    for match in sorted(matches, key=lambda match: (match.start(), -match.end())):
        value = _value(match)
        if value is None or match.start() < end or _may_be_year(match):
            continue
        end = match.end()
        yield Find(ENTITY, match.start(), end, value, _score(match["year"]))


def _may_be_year(match: re.Match[str]) -> bool:
    """Whether the day is the century: "November nineteen sixty seven"."""
    between = match.string[match.end("day") : match.start("year")]
    return match["day"].casefold() in _AS_CENTURIES and between == " "


def _score(year: str) -> float:
    short = re.fullmatch(rf"['\u2019]?[0-9]{{2}}|{_BELOW_100}", year, re.IGNORECASE)
    return SCORE_SHORT_YEAR if short else SCORE


def _value(match: re.Match[str]) -> str | None:
    groups = match.groupdict()
    day = _count(match["day"])
    month = MONTH_WORDS[groups["month"].casefold()] if "month" in groups else _count(groups["nth"])
    try:
        return Day(year_of_birth(match["year"]), month, day).isoformat()
    except ValueError:
        return None


def _words(said: str) -> list[str]:
    return [word for word in re.split("[ -]", said.casefold()) if word != "and"]


def _count(said: str) -> int:
    if said[0].isdigit():
        return int(re.sub(r"\D", "", said))
    return sum(ORDINAL_WORDS.get(word) or NUMBER_WORDS[word] for word in _words(said))


def year_of_birth(said: str) -> int:
    """A year in full: two digits are of the past hundred years.

    >>> year_of_birth("86"), year_of_birth("oh six"), year_of_birth("nineteen oh six")
    (1986, 2006, 1906)
    """
    said = said.lstrip("'\u2019")
    if said[0].isdigit():
        return _in_full(int(said)) if len(said) < 4 else int(said)
    words = [word for word in _words(said) if word != "hundred"]
    numbers = [0 if word == "o" else NUMBER_WORDS.get(word, 0) for word in words]
    if words[:2] == ["two", "thousand"]:
        return 2000 + sum(numbers[2:])
    if len(words) > 1 and words[0] in {"eighteen", "nineteen"}:
        return numbers[0] * 100 + sum(numbers[1:])
    if len(words) > 1 and words[0] == "twenty" and (numbers[1] > 9 or len(words) > 2):
        return 2000 + sum(numbers[1:])
    return _in_full(sum(numbers))


def _in_full(year: int) -> int:
    return year + (2000 if year <= YOUNGEST_YEAR else 1900)


def _past(iso: str) -> str:
    """A date of two digits that was taken to be to come is of the century before."""
    return iso if int(iso[:4]) <= 2000 + YOUNGEST_YEAR else f"{int(iso[:4]) - 100}{iso[4:]}"
