"""What a rule looks for, as a tree of plain frozen data.

A condition knows nothing of files or of how it is watched. A new kind is a dataclass here, a model
in `schema.py` and a watcher in `rules/watchers/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rules.types import Role


class Anchor(StrEnum):
    """From when the deadline of an absence counts."""

    FIRST_SPEECH = "first_speech"
    CALL_START = "call_start"


class Side(StrEnum):
    """On which side of a thing another one would take it back."""

    BEFORE = "before"
    AFTER = "after"
    EITHER = "either"


class Metric(StrEnum):
    """A measure of how somebody behaves on a call."""

    SILENCE_S = "silence_s"  # how long nobody has spoken; known live
    NON_TALK_RATIO = "non_talk_ratio"  # share of the call in which nobody spoke
    TALK_RATIO = "talk_ratio"  # a speaker's share of all speech
    INTERRUPTIONS = "interruptions"  # how often a speaker began while another was speaking
    SPEECH_RATE_WPM = "speech_rate_wpm"  # a speaker's words a minute of speech
    SENTIMENT = "sentiment"  # of a speaker's words, from -1 to 1


LIVE_METRICS = frozenset({Metric.SILENCE_S})


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Words in a row, with up to `slop` other words strewn between them."""

    text: str
    slop: int = 0
    fuzzy: int = 0  # letters that may differ in each longer word
    sounds_like: bool = False  # words that sound the same count as well


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCondition:
    """A piece of personal data of one of the types was said."""

    types: tuple[str, ...]
    min_score: float = 0.5  # in [0.0, 1.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseCondition:
    """One of the phrases was said, and none of `unless_before` shortly before it."""

    any_of: tuple[Phrase, ...]
    unless_before: tuple[str, ...] = ()
    not_within_words: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RegexCondition:
    """The words of a speaker, joined by single spaces, match one of the patterns."""

    any_of: tuple[str, ...]
    case_sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LemmaCondition:
    """One of the phrases was said in any inflection of its words."""

    any_of: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarCondition:
    """A sentence, or a part of one, means about what one of the examples means."""

    to: tuple[str, ...]
    unlike: tuple[str, ...] = ()  # what is closer to one of these does not count
    min_similarity: float = 0.7  # cosine of embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsCondition:
    """A run of digits of a certain length was said or written."""

    min_digits: int
    max_digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NearCondition:
    """All parts were said by one speaker within so many words or seconds, in any order."""

    of: tuple[Condition, ...]
    within_words: int | None = None
    within_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a sequence."""

    when: Condition
    said_by: tuple[Role, ...] = ()  # empty = anybody
    within_s: float | None = None  # after the step before it; None = any time later
    next_turn: bool = False  # in the turn right behind that of the step before it


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceCondition:
    """The steps happened one after another."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentCondition:
    """Something was not said in time by anybody who may say it."""

    what: Condition
    within_s: float
    anchor: Anchor = Anchor.FIRST_SPEECH
    after: Condition | None = None  # the seconds count from here instead of from the anchor
    unless: Condition | None = None  # said before the deadline, it lifts the duty
    said_by: tuple[Role, ...] = ()  # empty = anybody


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCondition:
    """A part of `all`: takes the other parts back where this is said close by."""

    of: Condition
    within_words: int | None = None  # by the same speaker
    within_s: float | None = None  # by anybody
    side: Side = Side.BEFORE


@dataclass(frozen=True, slots=True, kw_only=True)
class AllCondition:
    """Every part happened, by anybody, in any order, and no `not` takes it back."""

    of: tuple[Condition, ...]
    unless: tuple[NotCondition, ...] = ()
    within_s: float | None = None  # from the first part to the last; None = the whole call


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyCondition:
    """One of the parts happened."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountCondition:
    """Something happened so many times within a window of time."""

    of: Condition
    at_least: int
    within_s: float | None = None  # None = the whole call
    same_speaker: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCondition:
    """A measure of the call or of a speaker crossed a limit."""

    metric: Metric
    above: float | None = None
    below: float | None = None
    after_s: float = 0.0  # so much of the call, or of a speaker's speech, must have been heard


Condition = (
    EntityCondition
    | PhraseCondition
    | RegexCondition
    | LemmaCondition
    | SimilarCondition
    | DigitsCondition
    | NearCondition
    | SequenceCondition
    | AbsentCondition
    | NotCondition
    | AllCondition
    | AnyCondition
    | CountCondition
    | MetricCondition
)


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """The conditions right below one."""
    match condition:
        case NearCondition(of=of) | AnyCondition(of=of):
            return of
        case AllCondition():
            return (*condition.of, *condition.unless)
        case NotCondition(of=of) | CountCondition(of=of):
            return (of,)
        case SequenceCondition():
            return tuple(step.when for step in condition.steps)
        case AbsentCondition():
            others = (condition.after, condition.unless)
            return (condition.what, *(other for other in others if other is not None))
        case _:
            return ()


def walk(condition: Condition) -> Iterator[Condition]:
    """A condition and everything below it."""
    yield condition
    for part in parts_of(condition):
        yield from walk(part)


def needs_whole_call(condition: Condition) -> bool:
    """Whether it can only be decided when the call is over."""
    return any(
        isinstance(part, MetricCondition) and part.metric not in LIVE_METRICS
        for part in walk(condition)
    )


def finds_personal_data(condition: Condition) -> bool:
    """Whether what it finds may hold personal data, so that its text has to be masked."""
    return any(
        isinstance(part, EntityCondition | DigitsCondition | RegexCondition)
        for part in walk(condition)
    )
