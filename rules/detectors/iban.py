"""International bank account numbers, which carry their own check digits (ISO 13616)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban

from rules.detectors.passage import Find, Passage

ENTITY = "IBAN_CODE"

SCORE = 1.0
SCORE_NEAR = 0.6  # announced, but the check digits are wrong
MIN_CHARS = 15  # Norway
MAX_CHARS = 34

_RUN = re.compile(r"(?<!\w)[A-Za-z]{2}[0-9]{2}[ \-]?[A-Za-z0-9](?:[ \-]?[A-Za-z0-9]){9,45}(?!\w)")
_ANNOUNCED = "iban"
_REACH_WORDS = 6


def ibans(passage: Passage) -> Iterator[Find]:
    """Account numbers, in one piece or in groups."""
    if len(passage.text) < MIN_CHARS:
        return
    for match in _RUN.finditer(passage.text):
        find = _valid(match) or _near(match, passage)
        if find:
            yield find


def _ends(text: str) -> Iterator[int]:
    """Ends of words, the last first."""
    end = len(text)
    while end > 0:
        yield end
        end = text.rfind(" ", 0, end)


def _valid(match: re.Match[str]) -> Find | None:
    for end in _ends(match.group()):
        value = iban.compact(match.group()[:end]).upper()
        if MIN_CHARS <= len(value) <= MAX_CHARS and iban.is_valid(value, check_country=False):
            return Find(ENTITY, match.start(), match.start() + end, value, SCORE)
    return None


def _near(match: re.Match[str], passage: Passage) -> Find | None:
    if _ANNOUNCED not in passage.words_before(match.start())[-_REACH_WORDS:]:
        return None
    groups = match.group().split(" ")
    end = len(groups[0])
    for group in groups[1:]:
        if (
            len(groups[0]) >= MIN_CHARS
            or len(group) > 4
            or not (group.isupper() or group.isdigit())
        ):
            break
        end += 1 + len(group)
    value = iban.compact(match.group()[:end]).upper()
    if not MIN_CHARS <= len(value) <= MAX_CHARS:
        return None
    return Find(ENTITY, match.start(), match.start() + end, value, SCORE_NEAR)
