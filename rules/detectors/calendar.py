"""How days, months and numbers are named in English."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth"),
)


def _months() -> dict[str, int]:
    months = {name: n for n, name in enumerate(_MONTHS, 1)}
    return months | {name[:3]: n for name, n in months.items()} | {"sept": 9}


def _numbers() -> dict[str, int]:
    numbers = {name: n for n, name in enumerate(_UNITS, 1)}
    numbers |= {name: n for n, name in enumerate(_TEENS, 10)}
    numbers |= {name: n * 10 for n, name in enumerate(_TENS, 2)}
    return numbers | {"zero": 0, "oh": 0}


MONTH_WORDS: Mapping[str, int] = MappingProxyType(_months())
WEEKDAY_WORDS = frozenset({*_DAYS, *(f"{day}s" for day in _DAYS), "mon", "tue", "tues", "wed"}) | {
    *("thu", "thur", "thurs", "sat", "sun", "fri")
}
WEEKDAYS = _DAYS
MONTHS = _MONTHS
NUMBER_WORDS: Mapping[str, int] = MappingProxyType(_numbers())
ORDINAL_WORDS: Mapping[str, int] = MappingProxyType(
    {name: n for n, name in enumerate(_ORDINALS, 1)} | {"thirtieth": 30}
)
