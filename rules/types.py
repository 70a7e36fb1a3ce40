"""The vocabulary that every room of the house shares; it imports nothing of ours but errors.

All times are seconds on the call clock (0 = creation of the room). Whoever has another clock turns
it into this one at its own edge, once. What people said is personal data: fields that hold it stay
out of ``repr`` and so out of logs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from rules.errors import RuleInputError, SpanError


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open time interval [start_s, end_s) on the call clock.

    >>> Span(1.0, 2.5).duration_s
    1.5
    >>> Span(0.0, 2.0).overlap_s(Span(1.5, 4.0))
    0.5
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s < math.inf:  # NaN fails every comparison
            raise SpanError(f"need 0 <= start_s < end_s, got {self.start_s}..{self.end_s}")

    @property
    def duration_s(self) -> float:
        """Length in seconds, always above 0."""
        return self.end_s - self.start_s

    def overlap_s(self, other: Span) -> float:
        """Seconds that both intervals share, 0.0 when they only touch."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))

    def gap_s(self, other: Span) -> float:
        """Seconds between the two intervals, 0.0 when they overlap or touch."""
        return max(0.0, other.start_s - self.end_s, self.start_s - other.end_s)

    def hull(self, other: Span) -> Span:
        """The smallest interval that holds both."""
        return Span(min(self.start_s, other.start_s), max(self.end_s, other.end_s))

    def shifted(self, by_s: float) -> Span:
        """The same interval, `by_s` seconds later."""
        return Span(self.start_s + by_s, self.end_s + by_s)


class Role(StrEnum):
    """What a participant is on the call."""

    AGENT = "agent"
    CUSTOMER = "customer"
    SUPERVISOR = "supervisor"
    AI_AGENT = "ai_agent"


class Severity(StrEnum):
    """How bad a hit is, mildest first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class HitState(StrEnum):
    """How sure a hit is: interim words give provisional ones, final words settle them."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"
    RETRACTED = "retracted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody on the call, as the engine needs to know them."""

    identity: str
    role: Role | None = None  # None until somebody says so; never guessed from speech
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # sorted by name


class Word(NamedTuple):
    """One word as the recogniser wrote it, punctuation included.

    A named tuple, since there are so many of them: it is made in a third of the time.
    """

    text: str
    span: Span
    start_chars: int  # where the word begins in its utterance's text
    confidence: float | None = None  # in [0.0, 1.0]; None = the model gives none

    def __repr__(self) -> str:
        return f"Word(span={self.span}, start_chars={self.start_chars})"  # the text is personal

    @property
    def end_chars(self) -> int:
        """Offset just behind the word in its utterance's text."""
        return self.start_chars + len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What one speaker said in one span.

    A revision replaces the earlier revisions of the same id; the final one is the last.
    """

    id: str
    speaker: str | None  # None until someone is identified, never ""
    span: Span
    text: str = field(repr=False)
    words: tuple[Word, ...] = field(repr=False)
    is_final: bool = True
    revision: int = 0

    def __post_init__(self) -> None:
        if self.speaker == "":
            raise RuleInputError(f"utterance {self.id}: an unknown speaker is None, not empty")
        for word in self.words:
            if self.text[word.start_chars : word.end_chars] != word.text:
                raise RuleInputError(f"utterance {self.id}: a word is not where it says it is")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardUntil:
    """A promise: everything that anybody said before `at_s` has been fed.

    Deadlines fire on this event, so a slow recogniser delays a deadline and never falsifies it.
    """

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The last event of a call."""

    at_s: float


Event = Utterance | Participant | HeardUntil | CallEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRange:
    """A piece of an utterance's text, pointed at and never copied."""

    utterance_id: str
    start_chars: int
    end_chars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A detected piece of personal data. The value is the data itself: it stays in memory."""

    type: str  # named as Presidio names it: CREDIT_CARD, US_SSN, ...
    value: str = field(repr=False)  # normalised: digits without separators
    speaker: str | None
    span: Span
    parts: tuple[TextRange, ...]
    score: float  # in [0.0, 1.0]
    at_s: float  # call-clock position of the word or deadline that decided it


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A rule that found what it looks for. Safe to log, store and send."""

    id: str  # stable: the same events give the same id, in any process
    rule_id: str
    rule_version: int
    severity: Severity
    speaker: str | None  # None for what nobody said, such as a missing notice
    span: Span
    parts: tuple[TextRange, ...]
    excerpt: str  # masked
    score: float  # in [0.0, 1.0]
    state: HitState
    at_s: float  # call-clock position of the word or deadline that decided it


_NON_SPACE = re.compile(r"\S+")


def words_from_text(text: str, span: Span) -> tuple[Word, ...]:
    """Split `text` at white space and spread its words over `span` by their length in characters.

    For text that comes without word times (typed transcripts, text streams). Times are estimates.
    """
    start_s = span.start_s
    per_char_s = span.duration_s / max(1, len(text))
    words: list[Word] = []
    for match in _NON_SPACE.finditer(text):
        start, end = match.span()
        between = Span(start_s + start * per_char_s, start_s + end * per_char_s)
        words.append(Word(match.group(), between, start))
    return tuple(words)


def utterance_from_words(
    timed: Iterable[tuple[str, Span, float | None]],
    *,
    id: str,
    speaker: str | None,
    is_final: bool = True,
    revision: int = 0,
) -> Utterance:
    """Join recognised words by single spaces into an utterance.

    Args:
        timed: (text, span, confidence) of each word in time order, at least one.
        id: The utterance's id, unique within the call.
        speaker: Identity, or None when unknown.
        is_final: Whether no later revision will come.
        revision: 0 for the first, one more for each that replaces it.

    Raises:
        RuleInputError: there is no word.
    """
    words: list[Word] = []
    text = ""
    for said, span, confidence in timed:
        start_chars = len(text) + 1 if text else 0
        text = f"{text} {said}" if text else said
        words.append(Word(text=said, span=span, start_chars=start_chars, confidence=confidence))
    if not words:
        raise RuleInputError(f"utterance {id}: no words")
    return Utterance(
        id=id,
        speaker=speaker,
        span=Span(words[0].span.start_s, max(word.span.end_s for word in words)),
        text=text,
        words=tuple(words),
        is_final=is_final,
        revision=revision,
    )


def utterance_from_text(
    text: str, span: Span, *, id: str, speaker: str | None, is_final: bool = True
) -> Utterance:
    """An utterance of which only the text and the whole span are known."""
    return Utterance(
        id=id,
        speaker=speaker,
        span=span,
        text=text,
        words=words_from_text(text, span),
        is_final=is_final,
    )
