"""What a changed rule book would add and lose on calls that are over, against the one in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rules.conditions import finds_personal_data
from rules.engine import Engine
from rules.rulebook import Rule, Rulebook
from rules.similarity import Embedder
from rules.types import Event, Hit, HitState, Span

SAME_HIT_S = 2.0  # hits of two books that are no farther apart are about the same words


class Decision(StrEnum):
    """What a reviewer decided on a hit."""

    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    ESCALATED = "escalated"
    NONE = "not reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A reviewer's verdict on a rule at a place of a call."""

    rule_id: str
    speaker: str | None
    span: Span
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A call that is over."""

    id: str
    events: tuple[Event, ...] = field(repr=False)
    timeline: bool = True
    is_masked: bool = False  # personal data is covered, so rules that look for it find nothing
    reviews: tuple[Review, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A hit that only one of the two books has."""

    call_id: str
    hit: Hit
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """What changes for one rule."""

    rule_id: str
    n_kept: int
    kept: Mapping[Decision, int]  # by what reviewers said
    added: tuple[Change, ...]
    lost: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing changes."""
        return not self.added and not self.lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The result over all calls."""

    n_calls: int
    rules: tuple[RuleChange, ...]  # of every rule that hit in one of the books, by id
    not_checked: tuple[str, ...]  # rules for personal data, where calls were masked


def backtest(
    calls: Iterable[PastCall],
    *,
    in_force: Rulebook,
    changed: Rulebook,
    embedder: Embedder | None = None,
) -> Backtest:
    """Run both books over the same calls and compare hit by hit.

    Args:
        calls: Calls that are over, one after another; they may come from a stream.
        in_force: The book that people work with.
        changed: The book that somebody proposes.
        embedder: Needed where a rule of either has a `similar` condition.
    """
    kept: Counter[tuple[str, Decision]] = Counter()
    added: dict[str, list[Change]] = {}
    lost: dict[str, list[Change]] = {}
    seen: set[str] = set()
    not_checked: set[str] = set()
    n_calls = 0
    engines = {
        timeline: (
            Engine(in_force, timeline=timeline, embedder=embedder),
            Engine(changed, timeline=timeline, embedder=embedder),
        )
        for timeline in (True, False)
    }
    for call in calls:
        n_calls += 1
        blind = _blind(call, in_force.rules, changed.rules)
        not_checked |= blind
        before, after = (
            [hit for hit in _hits(engine, call.events) if hit.rule_id not in blind]
            for engine in engines[call.timeline]
        )
        seen |= {hit.rule_id for hit in (*before, *after)}
        for hit in after:
            same = next((old for old in before if _is_same(old, hit)), None)
            if same is None:
                added.setdefault(hit.rule_id, []).append(_change(call, hit))
            else:
                before.remove(same)
                kept[hit.rule_id, _decision(call, hit)] += 1
        for hit in before:
            lost.setdefault(hit.rule_id, []).append(_change(call, hit))
    return Backtest(
        n_calls=n_calls,
        rules=tuple(
            RuleChange(
                rule_id=rule_id,
                n_kept=sum(kept[rule_id, decision] for decision in Decision),
                kept={d: kept[rule_id, d] for d in Decision if kept[rule_id, d]},
                added=tuple(added.get(rule_id, ())),
                lost=tuple(lost.get(rule_id, ())),
            )
            for rule_id in sorted(seen)
        ),
        not_checked=tuple(sorted(not_checked)),
    )


def _blind(call: PastCall, *books: Sequence[Rule]) -> set[str]:
    if not call.is_masked:
        return set()
    return {rule.id for book in books for rule in book if finds_personal_data(rule.condition)}


def _hits(engine: Engine, events: Sequence[Event]) -> list[Hit]:
    state = engine.start()
    hits: dict[str, Hit] = {}
    for event in events:
        step = engine.feed(state, event)
        state = step.state
        hits.update({hit.id: hit for hit in step.hits})
    return [hit for hit in hits.values() if hit.state is not HitState.RETRACTED]


def _is_same(one: Hit, other: Hit) -> bool:
    return (
        one.rule_id == other.rule_id
        and one.speaker == other.speaker
        and one.span.gap_s(other.span) <= SAME_HIT_S
    )


def _change(call: PastCall, hit: Hit) -> Change:
    return Change(call_id=call.id, hit=hit, decision=_decision(call, hit))


def _decision(call: PastCall, hit: Hit) -> Decision:
    for review in call.reviews:
        same = review.rule_id == hit.rule_id and review.speaker in {hit.speaker, None}
        if same and review.span.gap_s(hit.span) <= SAME_HIT_S:
            return review.decision
    return Decision.NONE
