"""Dates and times: in digits, with names of months, and spoken ("march third twenty twenty").

A date and the time written right behind it are one find; what only makes sense on the day it is
said ("yesterday", "next week") names nobody's birthday and is none. Numeric dates are read as in
the United States, month first, unless only the other way gives a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from rules.detectors.calendar import MONTH_WORDS, MONTHS, NUMBER_WORDS, ORDINAL_WORDS, WEEKDAYS
from rules.detectors.passage import Find, Passage, word_set

ENTITY = "DATE_TIME"

SCORE_DATE = 0.9
SCORE_PART = 0.7  # a day without a year, a weekday, a time
SCORE_YEAR = 0.6

_ANY_MONTH = "|".join(sorted(MONTH_WORDS, key=len, reverse=True))
_MONTH = rf"(?P<month>{_ANY_MONTH})\b\.?"
_WEEKDAY = rf"(?:{'|'.join(WEEKDAYS)}|(?:mon|tues?|wed|thur?s?|fri|sat|sun)\b\.?)"
_UNIT = "one|two|three|four|five|six|seven|eight|nine"
_TEEN = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_BELOW_100 = rf"(?:(?:{_TENS})(?:[ -](?:{_UNIT}))?\b|(?:{_TEEN})\b|(?:oh|o|zero)[ -](?:{_UNIT})\b)"
_ORDINAL = "|".join(ORDINAL_WORDS)
_SPOKEN_DAY = rf"(?:(?:twenty|thirty)[ -])?(?:{_ORDINAL})\b"
_SPOKEN_YEAR = (
    rf"(?:(?:eighteen|nineteen|twenty)[ -]{_BELOW_100}"
    rf"|two thousand(?: and)?(?: (?:{_BELOW_100}|(?:{_UNIT})\b))?)"
)
_DAY = rf"(?P<day>[0-3]?[0-9](?:st|nd|rd|th)?(?![\w/]|:[0-9])|{_SPOKEN_DAY})"
_YEAR = rf"(?P<year>(?:1[6-9]|20)[0-9]{{2}}(?![\w/-]|:[0-9])|['\u2019][0-9]{{2}}\b|{_SPOKEN_YEAR})"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[ECMP][SD]T|CET|[+-][0-9]{2}:?[0-9]{2})\b)?"
_MERIDIEM = r"(?:[ap]\.m\.|[ap]\.?m\b)"
_CLOCK = (
    r"[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    rf"(?: ?{_MERIDIEM})?{_ZONE}(?!\w|:[0-9])"
)
_TIME = rf"(?:{_CLOCK}|(?:1[0-2]|0?[1-9]) ?(?:{_MERIDIEM}|o['\u2019]clock\b))"
_LEAD = rf"(?:{_WEEKDAY},? )?"
_TAIL = rf"(?:(?: at)? {_TIME})?"
_LEFT = r"(?<![\w$€£./:#-])"

_WITH_MONTH = (
    rf"{_LEAD}{_MONTH}[ -](?:the )?{_DAY}(?:,? ?(?:of )?-?{_YEAR})?{_TAIL}",
    rf"{_LEAD}(?:the )?{_DAY}[ -](?:of )?{_MONTH}(?:,?[ -](?:of )?{_YEAR})?{_TAIL}",
    rf"{_MONTH},? (?:of )?{_YEAR}",
)
_IN_DIGITS = re.compile(
    rf"{_LEFT}{_LEAD}(?:(?P<y1>[12][0-9]{{3}})(?P<s1>[-/.])(?P<m1>[01]?[0-9])(?P=s1)(?P<d1>[0-3]?[0-9])"
    r"|(?P<a>[0-3]?[0-9])(?P<s2>[-/.])(?P<b>[0-3]?[0-9])(?P=s2)(?P<y2>[0-9]{4}|[0-9]{2}))"
    rf"(?:T{_CLOCK}|(?: at)? {_TIME}|(?![\w/]|[:.-][0-9]))",
    re.IGNORECASE,
)
_NAMED = tuple(re.compile(_LEFT + form, re.IGNORECASE) for form in _WITH_MONTH)
_WEEKDAY_ALONE = re.compile(rf"(?<![\w-])(?:{'|'.join(WEEKDAYS)})s?\b(?!-)", re.IGNORECASE)
_TIME_ALONE = re.compile(_LEFT + _TIME, re.IGNORECASE)
_MONTH_YEAR = re.compile(rf"{_LEFT}(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{{2}}(?![\w/]|[.-][0-9])")
_MONTH_DAY = re.compile(rf"{_LEFT}(?:0?[1-9]|1[0-2])/(?:[0-2]?[0-9]|3[01])(?![\w/%]|[.-][0-9])")
_YEAR_ALONE = re.compile(rf"{_LEFT}(?:1[6-9]|20)[0-9]{{2}}s?(?![\w%/:-]|[.,][0-9])")
_MONTH_ALONE = re.compile(rf"(?<![\w-])(?:{'|'.join(MONTHS)})\b(?!-)", re.IGNORECASE)

# Most passages hold neither a name nor a time: these are quick to say so.
_NAMES = re.compile(rf"\b(?:{_ANY_MONTH}|{'|'.join(WEEKDAYS)})", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_TIME_SIGN = re.compile(r":|[ap]\.?m|clock", re.IGNORECASE)

_BEFORE_DATES = word_set(
    "deadline birthday on by since until till dated due before after from born expires"
)
_BEFORE_YEARS = word_set(
    """in since of during by from until till before after circa around early late mid between
    year through born to class fall spring summer winter autumn back"""
)
_BEFORE_A_YEAR = frozenset({"a", "an", "the"})  # "a 2001 film": unless it counts something
_BEFORE_MONTHS = word_set("in since until till by of during last next this every from")
_COUNTED = re.compile(
    r" (?:\w+ )?(?:dollars?|euros?|pounds?|people|miles?|km|kg|items?|units?|points?|calories"
    r"|steps?|words?|hours?|minutes?|seconds?|days?|shares?|customers?|users?|employees|copies"
    r"|street|st|avenue|ave|road|rd|lane|drive|percent|feet|square|pieces|parts|ways|places|mah|watts?|rpm|psi|times)\b",
    re.IGNORECASE,
)


def dates(passage: Passage) -> Iterator[Find]:
    """Dates and times, the more complete first; later finds never overlap earlier ones."""
    taken: list[Find] = []
    for find in _all(passage):
        if all(find.end <= other.start or find.start >= other.end for other in taken):
            taken.append(find)
            yield find


def _all(passage: Passage) -> Iterator[Find]:
    text = passage.text
    has_digit = _DIGIT.search(text) is not None
    if has_digit and ("-" in text or "/" in text or "." in text):
        for match in _IN_DIGITS.finditer(text):
            yield from _numeric(match)
    if _NAMES.search(text):
        yield from _with_names(passage)
    if not has_digit:
        return
    if _TIME_SIGN.search(text):
        for match in _TIME_ALONE.finditer(text):
            yield _find(match, SCORE_PART)
    if "/" in text:
        for match in _MONTH_YEAR.finditer(text):
            yield _find(match, SCORE_PART)
        for match in _MONTH_DAY.finditer(text):
            before = passage.words_before(match.start())[-2:]
            if not _BEFORE_DATES.isdisjoint(before):
                yield _find(match, SCORE_PART)
    for match in _YEAR_ALONE.finditer(text):
        if _is_year(match, passage):
            yield _find(match, SCORE_YEAR)


def _with_names(passage: Passage) -> Iterator[Find]:
    for pattern in _NAMED:
        for match in pattern.finditer(passage.text):
            yield from _named(match)
    for match in _WEEKDAY_ALONE.finditer(passage.text):
        yield _find(match, SCORE_PART)
    for match in _MONTH_ALONE.finditer(passage.text):
        if _last_before(passage, match) in _BEFORE_MONTHS and _is_name(match.group()):
            yield _find(match, SCORE_PART)


def _last_before(passage: Passage, match: re.Match[str]) -> str:
    before = passage.words_before(match.start())
    return before[-1] if before else ""


def _is_name(said: str) -> bool:
    return said.casefold() not in {"may", "march"} or said[0].isupper()


def _is_year(match: re.Match[str], passage: Passage) -> bool:
    if match.group().endswith("s"):
        return True
    before = _last_before(passage, match)
    if before == "and":  # "between 1998 and 2003"
        return bool(_YEAR_ALONE.fullmatch(passage.words_before(match.start())[-2:][0]))
    behind = passage.text[match.end() :]
    if behind[:1] == ",":
        behind = ""
    elif not behind.strip() and passage.after:
        behind += " " + passage.after
    if _COUNTED.match(behind) or re.match(r" \(?[0-9]", behind):
        return False
    return before in _BEFORE_YEARS or before in _BEFORE_A_YEAR or before in MONTH_WORDS


def _find(match: re.Match[str], score: float) -> Find:
    said = match.group()
    end = match.end()
    if said.endswith(".") and not re.search(r"\.m\.$", said, re.IGNORECASE):
        end -= 1
    return Find(ENTITY, match.start(), end, said.casefold(), score)


def _numeric(match: re.Match[str]) -> Iterator[Find]:
    if match["y1"]:
        orders = [(match["y1"], match["m1"], match["d1"])]
    else:
        if len(match["y2"]) == 2 and match["s2"] == ".":
            return  # a version
        orders = [(match["y2"], match["a"], match["b"]), (match["y2"], match["b"], match["a"])]
    for year, month, day in orders:
        day_read = _day(_full_year(year), int(month), int(day))
        if day_read is not None:
            yield _valued(match, day_read)
            return


def _named(match: re.Match[str]) -> Iterator[Find]:
    groups = match.groupdict()
    month = MONTH_WORDS[groups["month"].casefold()]
    day, year = groups.get("day"), groups.get("year")
    if day is None:
        if year is not None and (_is_name(groups["month"]) or not year.isdigit()):
            yield _find(match, SCORE_PART)
        elif year is not None:
            yield _find(match, SCORE_YEAR)
        return
    number = _spoken_day(day.casefold())
    read = _day(_spoken_year(year.casefold()) if year else 2000, month, number)
    if read is None:
        return
    if year is None:
        yield _find(match, SCORE_PART)
    else:
        yield _valued(match, read)


def _valued(match: re.Match[str], read: date) -> Find:
    """A complete date: its value is ISO 8601, with the time as it was said, if any."""
    found = _find(match, SCORE_DATE)
    clock = re.search(_TIME, match.group(), re.IGNORECASE)
    value = read.isoformat()
    if clock:
        value += f"T{clock.group().strip()}" if clock.group()[-1].isdigit() else f" {clock.group()}"
    return Find(found.type, found.start, found.end, value, found.score)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


_CENTURY_ENDS = 35  # "3/29/34" is taken to be to come, "3/29/35" to be past


def _full_year(written: str) -> int:
    year = int(written)
    if len(written) > 2:
        return year
    return year + (2000 if year < _CENTURY_ENDS else 1900)


def _spoken_day(said: str) -> int:
    if said[0].isdigit():
        return int(re.sub(r"\D", "", said))
    return sum(ORDINAL_WORDS.get(word) or NUMBER_WORDS[word] for word in re.split("[ -]", said))


def _spoken_year(said: str) -> int:
    if said[0] in "'\u2019":
        return _full_year(said[1:])
    if said[0].isdigit():
        return int(said)
    words = [word for word in re.split("[ -]", said) if word != "and"]
    if words[:2] == ["two", "thousand"]:
        return 2000 + sum(NUMBER_WORDS.get(word, 0) for word in words[2:])
    return NUMBER_WORDS[words[0]] * 100 + sum(NUMBER_WORDS.get(word, 0) for word in words[1:])
