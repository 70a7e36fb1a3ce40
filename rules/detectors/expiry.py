"""Expiry dates of cards with a named month: "May twenty seven", "Sept 2028", "June of 29"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.detectors.calendar import MONTH_WORDS, NUMBER_WORDS
from rules.detectors.passage import Find, Passage

ENTITY = "CREDIT_CARD_EXPIRY"
SCORE = 0.9
SCORE_MAY_BE_DAY = 0.65  # "May 27" is a day, too
_LAST_DAY = 31
_EXPIRY = re.compile(
    rf"\b(?P<month>{'|'.join(sorted(MONTH_WORDS, key=len, reverse=True))})\b[.,]?"
    r"(?: of| in| the year)*[ -]"
    r"(?:(?P<full>20|['\u2019])?(?P<year>[2-4][0-9])\b(?![-:/]|st|nd|rd|th)"
    r"|(?P<spoken>twenty[ -])?(?P<tens>twenty|thirty|forty)\b"
    r"(?:[ -](?P<unit>one|two|three|four|five|six|seven|eight|nine)\b)?)",
    re.IGNORECASE,
)


def expiries(passage: Passage) -> Iterator[Find]:
    """Months with a year to come, as `MM/YY`; for talk that has announced an expiry date."""
    for match in _EXPIRY.finditer(passage.text):
        month = MONTH_WORDS[match["month"].casefold()]
        if match["year"]:
            year = int(match["year"])
        else:
            unit = match["unit"]
            year = NUMBER_WORDS[match["tens"].casefold()]
            year += NUMBER_WORDS[unit.casefold()] if unit else 0
        is_year = match["full"] or match["spoken"] or year > _LAST_DAY
        score = SCORE if is_year else SCORE_MAY_BE_DAY
        yield Find(ENTITY, match.start(), match.end(), f"{month:02}/{year:02}", score)
