"""Parts of rules that can never be met, whatever is said: only what can be proven.

Each proof rests on how the watchers work: on the shortest way to say a phrase, on the highest score
of a kind of data, on the range of a measure, on what comes without words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from rules.conditions import (
    AbsentCondition,
    AllCondition,
    AnyCondition,
    Condition,
    CountCondition,
    DigitsCondition,
    EntityCondition,
    LemmaCondition,
    Metric,
    MetricCondition,
    NearCondition,
    NotCondition,
    PhraseCondition,
    RegexCondition,
    SequenceCondition,
    SimilarCondition,
    needs_whole_call,
    walk,
)
from rules.entities import MAX_SCORES
from rules.patterns import WINDOW_WORDS
from rules.phrases import phrase_words
from rules.plan import planned
from rules.rulebook import Rule

_WORDS = (
    EntityCondition,
    PhraseCondition,
    LemmaCondition,
    RegexCondition,
    DigitsCondition,
    SimilarCondition,
)  # found in somebody's words
_WORDLESS = (AbsentCondition, MetricCondition)  # found in the lack of words, or in all of them
_RANGES = {
    Metric.SILENCE_S: (0.0, None),
    Metric.NON_TALK_RATIO: (0.0, 1.0),
    Metric.TALK_RATIO: (0.0, 1.0),
    Metric.INTERRUPTIONS: (0.0, None),
    Metric.SPEECH_RATE_WPM: (0.0, None),
    Metric.SENTIMENT: (-1.0, 1.0),
}


def dead_parts(rule: Rule) -> Iterator[str]:
    """What of a rule can never be met, as "problem; mend"."""
    for key, values in rule.scope.attributes:
        if not values:
            yield f"no value of attribute {key!r} counts, so nobody is in scope; give one"
    best = max_score(rule.condition)
    if rule.min_score > best:
        yield f"threshold {rule.min_score:g} is never reached, {best:g} is the most; lower it"
    for part in walk(rule.condition):
        match part:
            case EntityCondition():
                yield from _low_scores(part)
            case MetricCondition():
                yield from _out_of_range(part)
            case RegexCondition():
                yield from _impossible_patterns(part)
            case NearCondition():
                yield from _too_near(part)
            case AllCondition():
                yield from _taken_back(part)
            case CountCondition():
                yield from _too_many(part)
            case SequenceCondition():
                yield from _out_of_step(part)


def idle_roles(rule: Rule) -> str | None:
    """Why the roles of a rule's scope change nothing; None where they may."""
    if not rule.scope.roles:
        return None
    nodes = planned([rule], timeline=True).nodes
    if any(n.in_scope for n in nodes if isinstance(n.condition, (*_WORDS, MetricCondition))):
        return None
    roles = set(rule.scope.roles)
    others = [
        step.said_by
        for part in walk(rule.condition)
        if isinstance(part, SequenceCondition)
        for step in part.steps
        if step.said_by and not roles & set(step.said_by)
    ]
    if others:
        names = ", ".join(others[0])
        return f"the scope leaves {names} out, and a step asks for them; take one of both out"
    return "every part says by itself who may speak, so the scope's roles change nothing; remove"


def max_score(condition: Condition) -> float:
    """The highest score that what a condition finds can have."""
    match condition:
        case EntityCondition():
            return max(MAX_SCORES[name] for name in condition.types)
        case AnyCondition():
            return max(max_score(part) for part in condition.of)
        case AllCondition() | NearCondition():
            return min(max_score(part) for part in condition.of)
        case SequenceCondition():
            return min(max_score(step.when) for step in condition.steps)
        case CountCondition():
            return max_score(condition.of)
        case _:
            return 1.0


def _low_scores(part: EntityCondition) -> Iterator[str]:
    for name in part.types:
        if part.min_score > MAX_SCORES[name]:
            yield (
                f"{name} never scores {part.min_score:g}, {MAX_SCORES[name]:g} is the most; "
                "lower min_score"
            )


def _out_of_range(part: MetricCondition) -> Iterator[str]:
    lowest, highest = _RANGES[part.metric]
    name = part.metric.value
    if part.metric is Metric.SILENCE_S and part.below is not None:
        yield f"{name} is only known to grow, so `below` never hits; use `above`"
    elif part.above is not None and highest is not None and part.above >= highest:
        yield f"{name} is never above {part.above:g}, {highest:g} is the most; lower the limit"
    elif part.below is not None and part.below <= lowest:
        yield f"{name} is never below {part.below:g}, {lowest:g} is the least; raise the limit"


def _too_near(part: NearCondition) -> Iterator[str]:
    for each in part.of:
        if isinstance(each, _WORDLESS):
            kind = "a metric" if isinstance(each, MetricCondition) else "an absence"
            yield f"{kind} has no words, so it is near to none; use `all`"
    if part.within_words is None:
        return
    least = _least_words(part)
    # From the first word to the last one there is one step less than words.
    if least - 1 > part.within_words:
        yield (
            f"the parts of `near` take {least} words or more, and within_words is "
            f"{part.within_words}; raise it to {least - 1} or more"
        )


def _least_words(part: NearCondition) -> int:
    """So many words it takes at least; parts that may share words are counted once."""
    counted: list[tuple[int, frozenset[str] | None]] = sorted(
        ((_shortest(each), _vocabulary(each)) for each in part.of),
        key=lambda each: -each[0],
    )
    total, used = counted[0]
    for n_words, words in counted[1:]:
        if used is None or words is None or used & words:
            return total
        total += n_words
        used |= words
    return total


def _shortest(part: Condition) -> int:
    """The least number of spoken words; "cannot" and "risk-free" are two in one."""
    if isinstance(part, PhraseCondition | LemmaCondition):
        return min((len(phrase_words(p.text)) + 1) // 2 for p in part.any_of)
    if isinstance(part, AnyCondition):
        return min(_shortest(each) for each in part.of)
    return 1


def _vocabulary(part: Condition) -> frozenset[str] | None:
    """The words that a part is made of; None where others may stand for them."""
    if not isinstance(part, PhraseCondition):
        return None
    if any(p.fuzzy or p.sounds_like for p in part.any_of):
        return None
    return frozenset(word for p in part.any_of for word in phrase_words(p.text))


def _taken_back(part: AllCondition) -> Iterator[str]:
    for not_ in part.unless:
        for each in part.of:
            if _is_within(not_, each):
                yield (
                    "a `not` looks for what one of the other parts is made of, so it takes that "
                    "part back itself; narrow the `not`"
                )
                return


def _is_within(not_: NotCondition, part: Condition) -> bool:
    """Whether whatever a part finds holds what a `not` looks for."""
    if not_.of == part:
        return True
    if not isinstance(not_.of, PhraseCondition) or not isinstance(part, PhraseCondition):
        return False
    if not_.of.unless_before:
        return False
    short = [phrase_words(p.text) for p in not_.of.any_of]
    return all(
        not p.slop
        and not p.fuzzy
        and not p.sounds_like
        and any(_holds(phrase_words(p.text), words) for words in short)
        for p in part.any_of
    )


def _holds(words: tuple[str, ...], within: tuple[str, ...]) -> bool:
    n = len(within)
    return any(words[i : i + n] == within for i in range(len(words) - n + 1))


def _too_many(part: CountCondition) -> Iterator[str]:
    of, within_s = part.of, part.within_s
    once = isinstance(of, AbsentCondition) and of.after is None
    if isinstance(of, MetricCondition) and of.metric is not Metric.SILENCE_S:
        once = part.same_speaker or of.metric is Metric.NON_TALK_RATIO
    if once:
        yield f"what is counted happens once a call, so never {part.at_least} times; count less"
        return
    each_s = None
    if isinstance(of, AbsentCondition):
        each_s = of.within_s
    elif isinstance(of, MetricCondition) and of.metric is Metric.SILENCE_S:
        each_s = of.above
    if each_s is not None and within_s is not None and part.at_least * each_s > within_s:
        yield (
            f"{part.at_least} times {each_s:g} s do not fit into within_s {within_s:g}; raise it "
            "or count less"
        )


def _out_of_step(part: SequenceCondition) -> Iterator[str]:
    for number, (before, step) in enumerate(zip(part.steps, part.steps[1:], strict=False), 2):
        if step.next_turn and isinstance(step.when, _WORDLESS):
            yield f"step {number} has no words, so it is in no turn; take next_turn away"
        elif step.next_turn and isinstance(before.when, _WORDLESS):
            yield f"step {number - 1} has no words, so no turn is next to it; take next_turn away"
        elif (
            isinstance(before.when, MetricCondition)
            and needs_whole_call(before.when)
            and isinstance(step.when, _WORDS)
        ):
            yield (
                f"step {number - 1} is known when the call is over, so nothing is said after it; "
                "put it last, or use `all`"
            )


# Patterns. What they see are words joined by single spaces: no other blanks, no two in a row.


def _impossible_patterns(part: RegexCondition) -> Iterator[str]:
    for pattern in part.any_of:
        least = _least_blanks(pattern)
        if least is None:
            yield (
                f"pattern {pattern!r} asks for a line break, a tab or two blanks in a row, which "
                "spoken words never have; write one blank or \\s"
            )
        elif least >= WINDOW_WORDS:
            yield f"pattern {pattern!r} takes more than {WINDOW_WORDS} words; shorten it"


@cache
def _parser() -> Any:
    return import_module("re._parser")  # of the standard library: the tree of a pattern


def _least_blanks(pattern: str) -> int | None:
    """The least blanks that a match holds; None where no text of words matches.

    0 for what Python's parser does not read as RE2 does.
    """
    try:
        tree = _parser().parse(pattern)
    except (re.error, OverflowError, RecursionError, DeprecationWarning):
        return 0
    return _blanks_of(tree)


def _blanks_of(items: Any) -> int | None:
    total = 0
    after_blank = False
    for name, value in items:
        kind = str(name)
        blanks: int | None = 0
        if kind == "LITERAL":
            blanks = _blanks_of_char(value)
        elif kind == "IN":
            blanks = _blanks_of_set(value)
        elif kind == "BRANCH":
            ways = [_blanks_of(way) for way in value[1]]
            blanks = min((way for way in ways if way is not None), default=None)
        elif kind == "SUBPATTERN":
            blanks = _blanks_of(value[-1])
        elif kind in {"MAX_REPEAT", "MIN_REPEAT"} and value[0]:
            inner = _blanks_of(value[2])
            blanks = None if inner is None else inner * value[0]
        if blanks is None:
            return None
        is_blank = kind == "LITERAL" and value == ord(" ")
        if is_blank and after_blank:
            return None
        after_blank = is_blank
        total += blanks
    return total


def _blanks_of_char(code: int) -> int | None:
    if code == ord(" "):
        return 1
    return None if chr(code).isspace() else 0


def _blanks_of_set(members: Any) -> int | None:
    if any(str(name) != "LITERAL" for name, _ in members):
        return 0
    found = [_blanks_of_char(code) for _, code in members]
    return min((each for each in found if each is not None), default=None)
