"""What the talk is about when digits are read: the words that make a number expected, or harmless.

The nearest word decides, whoever said it: "what is the card number?" counts for the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rules.detectors.verdict import Topic
from rules.phrases import Match, Pattern

MAX_MARKS = 8  # remembered for each speaker
OWN_REACH_S = 30.0
OWN_REACH_WORDS = 40
OTHERS_REACH_S = 20.0
OTHER_REACH_WORDS = 10  # "order number" only speaks for the number right behind it
OTHER_REACH_S = 10.0

_CARD_NUMBER = """card number|card numbers|credit card|debit card|long number|sixteen digit|16 digit
sixteen digits|16 digits|number on the card|number on your card|number on the front|card is|cards is
card details|visa|mastercard|master card|amex|american express|visa card|payment card|bank card
card no|cc number|primary account number|discover card|card ending|number of the card
number on my card|number of your card|number of my card|corporate card|new card|other card"""
_CARD = "card|debit|credit|discover|maestro|diners"
_SSN = """social security|social security number|social security no|ssn|s s n|social|social number
your social|my social|social is|soc|taxpayer id|tax id|taxpayer identification number"""
_NUMBERED = """order tracking confirmation reference invoice serial case ticket booking reservation
phone telephone mobile cell fax routing policy claim member membership loyalty part model item
package parcel shipment shipping license licence registration customer employee product"""
_OTHER = """social media|social worker|social network|social event|social distancing|gift card
loyalty card|library card|sim card|business card|report card|membership card|rewards card|imei
tracking|isbn|barcode|upc|call me at|call us at|call back at|reach me at|extension|zip code
tracking code|gift card number|loyalty card number|library card number|sim card number
membership card number|rewards card number|phone is|cell is|meter reading|serial"""
_NEUTRAL = "account number|account"


def _split(text: str) -> list[str]:
    return [phrase.strip() for line in text.splitlines() for phrase in line.split("|")]


def _topics() -> Mapping[str, Topic]:
    topics: dict[str, Topic] = {}
    topics |= dict.fromkeys(_split(_CARD_NUMBER), Topic.CARD_NUMBER)
    topics |= dict.fromkeys(_split(_CARD), Topic.CARD)
    topics |= dict.fromkeys(_split(_SSN), Topic.SSN)
    topics |= dict.fromkeys(_split(_NEUTRAL), Topic.NEUTRAL)
    for what in _NUMBERED.split():
        kinds = ("number", "numbers", "code", "id", "no")
        topics |= dict.fromkeys([f"{what} {kind}" for kind in kinds], Topic.OTHER)
    topics |= dict.fromkeys(_split(_OTHER), Topic.OTHER)
    return MappingProxyType(topics)


_TOPICS = _topics()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A topic word, and where it was said."""

    topic: Topic
    ordinal: int
    end_s: float


def topic_patterns(owner: int) -> list[Pattern]:
    """The phrases that set a topic, for the matcher that hears every word."""
    return [Pattern(owner=owner, text=text) for text in _TOPICS]


def mark_of(matches: Iterable[Match], end_s: float) -> Mark | None:
    """The mark that a word sets: of several phrases that end here, the longest speaks."""
    best = min(matches, key=lambda match: match.first, default=None)
    if best is None:
        return None
    return Mark(topic=_TOPICS[best.pattern.text], ordinal=best.last, end_s=end_s)


def topic_at(
    own: Iterable[Mark], others: Iterable[Mark], *, ordinal: int, start_s: float
) -> Topic | None:
    """What a number is about that begins at this word of a speaker.

    Args:
        own: Marks by the speaker.
        others: Marks by everybody else.
        ordinal: Number of the word among the speaker's words.
        start_s: Start of the word on the call clock.
    """
    near: list[tuple[float, Topic]] = []
    for mark in own:
        other = mark.topic is Topic.OTHER
        reach_words = OTHER_REACH_WORDS if other else OWN_REACH_WORDS
        reach_s = OTHER_REACH_S if other else OWN_REACH_S
        in_words = 0 < ordinal - mark.ordinal <= reach_words
        if in_words and start_s - mark.end_s <= reach_s:
            near.append((mark.end_s, mark.topic))
    for mark in others:
        reach_s = OTHER_REACH_S if mark.topic is Topic.OTHER else OTHERS_REACH_S
        if 0 <= start_s - mark.end_s <= reach_s:
            near.append((mark.end_s, mark.topic))
    if not near:
        return None
    topic = max(near, key=lambda found: found[0])[1]
    return None if topic is Topic.NEUTRAL else topic
