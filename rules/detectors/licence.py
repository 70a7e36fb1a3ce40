"""US driver's licences: letters and digits in the forms of the states, where one is announced.

The forms are so many that half of all codes fit one, so nothing counts unannounced.
Source: the forms that the states publish, as collected by AAMVA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.detectors.passage import Find, Passage, word_set

ENTITY = "US_DRIVER_LICENSE"

SCORE = 0.85
SCORE_WEAK = 0.55  # "license number", without a word of driving
REACH_WORDS = 10

_CODE = re.compile(r"(?<![\w@./-])[A-Za-z0-9][A-Za-z0-9*]*(?:-[A-Za-z0-9]+){0,4}(?![\w@]|[./][\w])")
FORMS = re.compile(
    r"[0-9]{6,14}|[0-9]{16}"
    r"|[A-Z][0-9]{6,14}|[A-Z][0-9]{18}|[A-Z]{2}[0-9]{5,7}|[A-Z][0-9][A-Z][0-9][A-Z]"
    r"|[0-9]{3}[A-Z]{2}[0-9]{4}|[0-9]{2}[A-Z]{3}[0-9]{5}|[0-9]{7}[A-Z]|[A-Z][0-9]{6}R"
    r"|[0-9]{8}[A-Z]{2}|[0-9]{9}[A-Z]|[A-Z]{8}|[A-Z]{7}[0-9]{5}|[A-Z]{8}[0-9]{4}"
    r"|WDL[A-Z0-9]{9}|[A-Z]{9}[0-9]{3}|[A-Z]{10}[0-9]{2}|[A-Z]{11}[0-9]|[A-Z]{12}|[A-Z]{7}[0-9]{4}\*",
    re.IGNORECASE,
)
_LICENCE = word_set("license licence licenses licences permit lic")
_DRIVER = word_set("driver drivers driver's drivers' driving dmv")
_SHORT = word_set("dl dl# dlno")
_WORDS = _LICENCE | _SHORT
_HINT = re.compile(r"lic|permit|dl", re.IGNORECASE)  # a part of each of them
_OTHER = word_set(
    """plate software product fishing hunting business medical marriage nursing liquor activation
    key phone call mobile ssn social card account order invoice zip"""
)


def licences(passage: Passage) -> Iterator[Find]:
    """Licence numbers behind the words that announce them."""
    announced = not _WORDS.isdisjoint(passage.before) or _HINT.search(passage.text)
    if not announced or _WORDS.isdisjoint(passage.words_before(len(passage.text))):
        return
    for match in _CODE.finditer(passage.text):
        said = match.group()
        value = said.replace("-", "").upper()
        if not FORMS.fullmatch(value):
            continue
        if value.isalpha() and not _looks_drawn(said):
            continue
        score = _announced(passage.words_before(match.start())[-REACH_WORDS:])
        if score is None or (score == SCORE_WEAK and value.isdigit()):
            continue
        yield Find(ENTITY, match.start(), match.end(), value, score)
        return


def _looks_drawn(said: str) -> bool:
    """Whether letters look drawn at random: capitals where no name has them."""
    return said.isupper() or any(char.isupper() for char in said[1:])


def _announced(before: tuple[str, ...]) -> float | None:
    words = [word.replace("\u2019", "'") for word in before]
    for i in range(len(words) - 1, -1, -1):
        word = words[i]
        if word in _SHORT:
            return SCORE
        if word in _LICENCE:
            near = words[max(0, i - 2) : i]
            if not _DRIVER.isdisjoint(near):
                return SCORE
            return None if not _OTHER.isdisjoint(words[max(0, i - 2) : i + 3]) else SCORE_WEAK
        if word in _OTHER:
            return None
    return None
