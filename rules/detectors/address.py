"""E-mail addresses and web addresses, written in one word."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.detectors.domain import BARE_DOMAIN, has_known_ending, is_doubtful, is_file
from rules.detectors.passage import Find, Passage, word_set

EMAIL = "EMAIL_ADDRESS"
URL = "URL"

SCORE_EMAIL = 1.0
SCORE_LINK = 0.95  # with "https://" or "www."
SCORE_DOMAIN = 0.7
SCORE_DOUBTFUL = 0.5  # "lib.rs": a host only if the talk is of one
MAX_LOCAL_CHARS = 64  # RFC 5321, section 4.5.3.1

_EMAIL = re.compile(
    r"(?<![\w.+%-])(?P<local>\w[\w.+%'\-]{0,63})@(?P<host>(?:[^\W_][\w-]{0,62}\.){1,6}"
    r"[^\W\d_]{2,24})(?![\w@-])"
)
_LINK = re.compile(r"(?:(?:https?|ftp)://|(?<![\w.@/-])www\.)[^\s<>\"\x00|\\^`{}]+", re.IGNORECASE)
_TRAILING = ".,;:!?'\"\u2019\u201d\u2026*"
_WEB_WORDS = word_set(
    """website websites site url link page web homepage blog domain online visit browse photo files
    posted portal address"""
)
_REACH_WORDS = 8


def emails(passage: Passage) -> Iterator[Find]:
    """E-mail addresses."""
    if "@" not in passage.text:
        return
    for match in _EMAIL.finditer(passage.text):
        if not match.group("local").endswith("."):
            yield Find(EMAIL, match.start(), match.end(), match.group().casefold(), SCORE_EMAIL)


def urls(passage: Passage) -> Iterator[Find]:
    """Web addresses: links, and bare hosts such as "example.co.uk"."""
    text = passage.text
    if "." not in text and "://" not in text:
        return
    reached = 0
    for match in _LINK.finditer(text):
        end = _end(text, match.start(), match.end())
        host = text[match.start() : end].partition("://")[2] or text[match.start() : end]
        if "." in host or host.startswith("localhost"):
            yield Find(URL, match.start(), end, text[match.start() : end], SCORE_LINK)
        reached = end
    for match in BARE_DOMAIN.finditer(text):
        host = match.group("host")
        if match.start() < reached or not has_known_ending(host):
            continue
        named = not _WEB_WORDS.isdisjoint(passage.words_before(match.start())[-_REACH_WORDS:])
        bare_host = not named and not match.group("rest").startswith("/")
        doubtful = bare_host and is_doubtful(host)
        if (doubtful and host[1:].islower()) or (bare_host and is_file(host)):
            continue
        end = _end(text, match.start(), match.end())
        score = SCORE_DOUBTFUL if doubtful else SCORE_DOMAIN
        yield Find(URL, match.start(), end, text[match.start() : end], score)


def _end(text: str, start: int, end: int) -> int:
    """Where an address ends: punctuation of the sentence around it is no part of it."""
    while end > start:
        last = text[end - 1]
        unopened = last in ")]" and text.count(last, start, end) > text.count(
            "(["[")]".index(last)], start, end
        )
        if last not in _TRAILING and not unopened:
            return end
        end -= 1
    return end
