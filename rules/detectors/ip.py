"""Addresses of machines on the Internet, version 4 and version 6."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from rules.detectors.passage import Find, Passage, word_set

ENTITY = "IP_ADDRESS"

SCORE = 0.95
_IP4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])")
_IP6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?"
    r"(?![\w:]|\.[0-9])"
)
_NOT_ADDRESSES = word_set("version versions v release build firmware section chapter clause")
_MIN_IP6_CHARS = 3  # "::" alone is punctuation


def ip_addresses(passage: Passage) -> Iterator[Find]:
    """Addresses that are valid; a version number of four parts is not one."""
    quads = _IP4.finditer(passage.text) if passage.text.count(".") >= 3 else ()
    for match in quads:
        before = passage.words_before(match.start())
        if not (before and before[-1] in _NOT_ADDRESSES):
            yield from _valid(match)
    if passage.text.count(":") >= 2:
        for match in _IP6.finditer(passage.text):
            if len(match.group()) >= _MIN_IP6_CHARS:
                yield from _valid(match)


def _valid(match: re.Match[str]) -> Iterator[Find]:
    try:
        address = ip_address(match.group())
    except ValueError:
        return
    yield Find(ENTITY, match.start(), match.end(), str(address), SCORE)
