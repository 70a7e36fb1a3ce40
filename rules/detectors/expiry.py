"""Expiry dates of cards: "May twenty seven", "Sept 2028", "June of 29", "twelve of thirty"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rules.detectors.calendar import MONTH_WORDS, NUMBER_WORDS, ORDINAL_WORDS
from rules.detectors.passage import Find, Passage, word_set

ENTITY = "CREDIT_CARD_EXPIRY"
SCORE = 0.9
SCORE_MAY_BE_DAY = 0.65  # "May 27" is a day, too
_LAST_DAY = 31
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_NUMBER_OF_MONTH = rf"(?:oh|zero) (?:{_UNITS})|{_UNITS}|ten|eleven|twelve|0?[1-9]|1[0-2]"
_ORDINALS = "|".join(ORDINAL_WORDS)
_YEAR = (
    r"(?:(?P<full>20|['\u2019])?(?P<year>[2-4][0-9])\b(?![-:/]|st|nd|rd|th)"
    r"|(?P<spoken>twenty[ -])?(?P<tens>twenty|thirty|forty)\b"
    rf"(?:[ -](?P<unit>{_UNITS})\b)?)"
    rf"(?![ -](?:{_ORDINALS})\b)(?!,? (?:20[0-9]{{2}}|twenty|two thousand))"
)
_NAMED = re.compile(
    rf"\b(?P<month>{'|'.join(sorted(MONTH_WORDS, key=len, reverse=True))})\b[.,]?"
    rf"(?: of| in| the year)*[ -]{_YEAR}",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"(?<![\w/:-])(?P<month>{_NUMBER_OF_MONTH}) of {_YEAR}", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"\b(?:expir\w*(?:'s)?|exp|(?:runs?|running|ran) out|(?:good|valid) (?:until|till|til|through"
    r"|thru|to|up to))\b"
)
_ENDING = word_set(
    """expiry expiry's expire expires expiring expired expiration expirations expiration's exp out
    until till til through thru to"""
)
_ANNOUNCING_WORDS = 6
# What else runs out. A card is talked of in the same breath, or none of these is.
_OTHERS = word_set(
    """warranty warranties guarantee offer offers miles points lease contract contracts policy
    insurance passport visas licence license permit promotion promo points voucher vouchers coupon
    coupons subscription trial milk food quote quotation deal discount membership rewards domain
    certificate tenancy rental agreement mortgage loan bond parking ticket pass railcard medicine
    prescription code link password account booking reservation token sale plan cover credit"""
)
_CARDS = word_set(
    """card card's cards visa mastercard amex debit maestro cvv cvc long digits security expiry
    expiration"""
)
REACH_WORDS = 14


def is_announced(before: Sequence[str]) -> bool:
    """Whether the words before say that something ends: "my card runs out in"."""
    said = before[-_ANNOUNCING_WORDS:]
    return not _ENDING.isdisjoint(said) and bool(_ANNOUNCED.search(" ".join(said)))


def is_of_something_else(before: Sequence[str]) -> bool:
    """Whether what expires is no card.

    Args:
        before: Bare words of the sentence before the date, in lower case, the nearest last.
    """
    for word in reversed(before[-REACH_WORDS:]):
        if word in _CARDS:
            return False
        if word in _OTHERS:
            return True
    return False


def expiries(passage: Passage) -> Iterator[Find]:
    """Months with a year to come, as `MM/YY`; for talk that has announced an expiry date."""
    text = passage.text
    for match in (*_NAMED.finditer(text), *_NUMBERED.finditer(text)):
        month = _month(match["month"].casefold())
        if match["year"]:
            year = int(match["year"])
        else:
            unit = match["unit"]
            year = NUMBER_WORDS[match["tens"].casefold()]
            year += NUMBER_WORDS[unit.casefold()] if unit else 0
        is_year = match["full"] or match["spoken"] or year > _LAST_DAY or match.re is _NUMBERED
        score = SCORE if is_year else SCORE_MAY_BE_DAY
        yield Find(ENTITY, match.start(), match.end(), f"{month:02}/{year:02}", score)


def _month(said: str) -> int:
    if said.isdigit():
        return int(said)
    return MONTH_WORDS.get(said) or NUMBER_WORDS[said.rpartition(" ")[2]]
