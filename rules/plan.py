"""Rules, compiled: the trees of their conditions as numbered nodes that know their parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.conditions import (
    AbsentCondition,
    AllCondition,
    AnyCondition,
    Condition,
    CountCondition,
    DigitsCondition,
    EntityCondition,
    LemmaCondition,
    MetricCondition,
    NearCondition,
    NotCondition,
    PhraseCondition,
    RegexCondition,
    SequenceCondition,
    SimilarCondition,
)
from rules.patterns import RegexLeaf
from rules.phrases import Pattern, phrase_words
from rules.rulebook import Rule
from rules.watchers.absences import AFTER, UNLESS, WHAT, AbsentWatcher
from rules.watchers.groups import AllWatcher, AnyWatcher, CountWatcher, NearWatcher
from rules.watchers.metrics import MetricWatcher
from rules.watchers.sequences import SequenceWatcher
from rules.watchers.watcher import Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One condition of one rule."""

    number: int
    rule_index: int
    condition: Condition
    parent: int | None  # None: what it finds is a hit of the rule
    slot: int  # which part of its parent it is
    in_scope: bool  # whether the rule's scope says whose words count here
    watcher: Watcher | None  # None for conditions without parts

    @property
    def is_metric(self) -> bool:
        """Whether it measures conduct: its watcher knows no scope."""
        return isinstance(self.condition, MetricCondition)


@dataclass(slots=True)
class Plan:
    """All nodes of all rules, and where to find those of each kind."""

    rules: tuple[Rule, ...]
    nodes: list[Node] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)  # owner = number of a node
    unless_before: dict[int, frozenset[str]] = field(default_factory=dict)
    entities: list[Node] = field(default_factory=list)
    digits: list[Node] = field(default_factory=list)
    similar: list[Node] = field(default_factory=list)
    regexes: list[RegexLeaf] = field(default_factory=list)
    on_time: list[Node] = field(default_factory=list)
    on_words: list[Node] = field(default_factory=list)
    has_metrics: bool = False
    has_lemmas: bool = False

    @property
    def thresholds(self) -> dict[str, float]:
        """The lowest score at which somebody wants to know of each type of entity."""
        lowest: dict[str, float] = {}
        for node in self.entities:
            if isinstance(node.condition, EntityCondition):
                for name in node.condition.types:
                    lowest[name] = min(lowest.get(name, 1.0), node.condition.min_score)
        return lowest


def planned(rules: Sequence[Rule], *, timeline: bool) -> Plan:
    """Compile rules.

    Args:
        rules: The rules that run.
        timeline: False for sentences without a call around them: what is missing in them, and how
            long they are, means nothing.
    """
    plan = Plan(rules=tuple(rules))
    for index, rule in enumerate(plan.rules):
        _add(plan, index, rule.condition, None, 0, in_scope=True, timeline=timeline)
    return plan


def _add(
    plan: Plan,
    index: int,
    condition: Condition,
    parent: int | None,
    slot: int,
    *,
    in_scope: bool,
    timeline: bool,
) -> None:
    number = len(plan.nodes)
    watcher = _watcher(condition)
    node = Node(
        number=number,
        rule_index=index,
        condition=condition,
        parent=parent,
        slot=slot,
        in_scope=in_scope,
        watcher=watcher,
    )
    plan.nodes.append(node)
    if watcher is not None:
        needs_call = isinstance(condition, AbsentCondition | MetricCondition)
        if watcher.on_time and (timeline or not needs_call):
            plan.on_time.append(node)
        if watcher.on_words:
            plan.on_words.append(node)
    for part, part_slot, scoped in _parts(condition, in_scope=in_scope):
        _add(plan, index, part, number, part_slot, in_scope=scoped, timeline=timeline)
    match condition:
        case EntityCondition():
            plan.entities.append(node)
        case PhraseCondition() | LemmaCondition():
            plan.patterns += _patterns(number, condition)
            plan.has_lemmas = plan.has_lemmas or isinstance(condition, LemmaCondition)
            if isinstance(condition, PhraseCondition):
                plan.unless_before[number] = frozenset(
                    word for said in condition.unless_before for word in phrase_words(said)
                )
        case RegexCondition():
            plan.regexes.append(RegexLeaf(number, condition))
        case SimilarCondition():
            plan.similar.append(node)
        case DigitsCondition():
            plan.digits.append(node)
        case MetricCondition():
            plan.has_metrics = True


def _patterns(owner: int, condition: PhraseCondition | LemmaCondition) -> list[Pattern]:
    return [
        Pattern(
            owner=owner,
            text=phrase.text,
            slop=phrase.slop,
            fuzzy=phrase.fuzzy,
            sounds_like=phrase.sounds_like,
            lemma=isinstance(condition, LemmaCondition),
        )
        for phrase in condition.any_of
    ]


def _parts(condition: Condition, *, in_scope: bool) -> list[tuple[Condition, int, bool]]:
    """Each part with its slot, and whether the rule's scope says whose words count in it.

    Where a condition says by itself who may speak, the scope says nothing.
    """
    match condition:
        case NearCondition(of=of) | AnyCondition(of=of):
            return [(part, i, in_scope) for i, part in enumerate(of)]
        case CountCondition(of=one):
            return [(one, 0, in_scope)]
        case AllCondition():
            parts = [(part, i, in_scope) for i, part in enumerate(condition.of)]
            n_parts = len(condition.of)
            return parts + [
                (not_.of, n_parts + i, in_scope and not_.within_s is None)
                for i, not_ in enumerate(condition.unless)
            ]
        case SequenceCondition():
            return [
                (step.when, i, in_scope and not step.said_by)
                for i, step in enumerate(condition.steps)
            ]
        case AbsentCondition():
            found = [(condition.what, WHAT, False)]
            if condition.after is not None:
                found.append((condition.after, AFTER, in_scope))
            if condition.unless is not None:
                found.append((condition.unless, UNLESS, False))
            return found
        case _:
            return []


def _watcher(condition: Condition) -> Watcher | None:
    match condition:
        case AnyCondition():
            return AnyWatcher(condition)
        case AllCondition():
            return AllWatcher(condition)
        case NearCondition():
            return NearWatcher(condition)
        case CountCondition():
            return CountWatcher(condition)
        case SequenceCondition():
            return SequenceWatcher(condition)
        case AbsentCondition():
            return AbsentWatcher(condition)
        case MetricCondition():
            return MetricWatcher(condition)
        case NotCondition():
            raise AssertionError("`not` is compiled by the `all` around it")
        case _:
            return None
