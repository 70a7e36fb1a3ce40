"""Faults of rules that load but are poor: findings as data, with their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources

from rules.cases import Case, sentence_events
from rules.conditions import (
    AnyCondition,
    Condition,
    LemmaCondition,
    PhraseCondition,
    RegexCondition,
    SimilarCondition,
    needs_whole_call,
    walk,
)
from rules.covered import covered_phrases
from rules.engine import Engine
from rules.phrases import phrase_words
from rules.rulebook import Rule, Rulebook, RuleStatus, Scope
from rules.rulebook import RuleLocation as Location
from rules.similarity import Embedder
from rules.unreachable import dead_parts, idle_roles

_WORDY = (
    PhraseCondition,
    RegexCondition,
    LemmaCondition,
    SimilarCondition,
    AnyCondition,
)  # of words alone


class Fault(StrEnum):
    """Kinds of poor rules."""

    NO_HIT_CASE = "no-hit-case"
    NO_NEAR_MISS = "no-near-miss"
    NO_OWNER = "no-owner"
    NO_REFERENCE = "no-reference"
    DUPLICATE_RULE = "duplicate-rule"
    IDLE_ROLES = "idle-roles"
    EVERYDAY_TALK = "everyday-talk"
    REPEATED_PHRASE = "repeated-phrase"
    REPORT_ONLY = "report-only"
    SHADOWED_RULE = "shadowed-rule"
    UNREACHABLE = "unreachable"
    UNREACHABLE_PHRASE = "unreachable-phrase"
    UNUSED = "unused"
    UNUSED_NAME = "unused-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintIssue:
    """One fault of one rule."""

    fault: Fault
    rule_id: str  # of a pack, a list or a macro: the id of the pack
    location: Location
    message: str  # "problem; mend"

    def __str__(self) -> str:
        place = self.location
        return (
            f"{place.path}:{place.line}:{place.column}: "
            f"{self.rule_id}: {self.message} [{self.fault}]"
        )


def lint(
    rulebook: Rulebook, cases: Sequence[Case], embedder: Embedder | None = None
) -> tuple[LintIssue, ...]:
    """Look for poor rules; deprecated ones are left alone.

    Args:
        rulebook: The rules.
        cases: Their cases.
        embedder: Without it, examples of `similar` conditions are not held against everyday talk.
    """
    hits = Counter(expected.rule_id for case in cases for expected in case.hit)
    misses = Counter(rule_id for case in cases for rule_id in case.no_hit)
    issues: list[LintIssue] = []
    for rule in rulebook.rules:
        if rule.status is RuleStatus.DEPRECATED:
            continue
        if not hits[rule.id]:
            issues.append(_issue(rule, Fault.NO_HIT_CASE, "no case hits it; add one under `hit`"))
        if not misses[rule.id]:
            message = "no near miss; add a case under `no_hit`"
            issues.append(_issue(rule, Fault.NO_NEAR_MISS, message))
        if not rule.references:
            message = "no reference; name the norm or the source behind it"
            issues.append(_issue(rule, Fault.NO_REFERENCE, message))
        if not rule.scope.live and not rule.scope.report:
            message = "neither live nor in the report, so never used; switch one on"
            issues.append(_issue(rule, Fault.UNUSED, message))
        if rule.scope.live and needs_whole_call(rule.condition):
            message = (
                "looks at the whole call, so it can raise no alert during it; "
                "write `live: false` in its scope"
            )
            issues.append(_issue(rule, Fault.REPORT_ONLY, message))
        issues += [_issue(rule, Fault.UNREACHABLE, message) for message in dead_parts(rule)]
        idle = idle_roles(rule)
        if idle is not None:
            issues.append(_issue(rule, Fault.IDLE_ROLES, idle))
        for part in walk(rule.condition):
            if isinstance(part, PhraseCondition):
                issues += _phrase_issues(rule, part)
    in_use = [rule for rule in rulebook.rules if rule.status is not RuleStatus.DEPRECATED]
    issues += _shadowed(in_use)
    issues += _everyday(rulebook, in_use, embedder)
    issues += [
        LintIssue(
            fault=Fault.NO_OWNER,
            rule_id=pack.id,
            location=pack.location,
            message="the pack has no owner; write under `owner` who answers for it",
        )
        for pack in rulebook.packs
        if pack.owner is None and pack.location is not None
    ]
    issues += [
        LintIssue(
            fault=Fault.UNUSED_NAME,
            rule_id=unused.pack_id,
            location=unused.location,
            message=(
                f"only deprecated rules use {unused.kind} {unused.name!r}; write it out in them"
                if unused.is_retired
                else f"no rule uses {unused.kind} {unused.name!r}; use it or remove it"
            ),
        )
        for unused in rulebook.unused
    ]
    return tuple(issues)


def _issue(rule: Rule, fault: Fault, message: str) -> LintIssue:
    return LintIssue(fault=fault, rule_id=rule.id, location=rule.location, message=message)


def _phrase_issues(rule: Rule, condition: PhraseCondition) -> list[LintIssue]:
    issues: list[LintIssue] = []
    strict: dict[tuple[str, ...], str] = {}  # phrases that hit by themselves, gaps or not
    for phrase in condition.any_of:
        words = phrase_words(phrase.text)
        if words in strict:
            message = f"phrase {phrase.text!r} reads like {strict[words]!r}; remove one"
            issues.append(_issue(rule, Fault.REPEATED_PHRASE, message))
        strict.setdefault(words, phrase.text)
    unless = frozenset(word for said in condition.unless_before for word in phrase_words(said))
    for covered, within in covered_phrases(condition.any_of, unless):
        message = f"phrase {covered!r} always comes after {within!r} hit; remove it"
        issues.append(_issue(rule, Fault.UNREACHABLE_PHRASE, message))
    return issues


def _shadowed(rules: Sequence[Rule]) -> Iterator[LintIssue]:
    """Rules that never tell anything that another one does not tell as well."""
    for i, rule in enumerate(rules):
        for j, other in enumerate(rules):
            if i == j or not _reaches(other.scope, rule.scope):
                continue
            same = rule.condition == other.condition
            if same and rule.scope == other.scope:
                if j < i:
                    message = f"looks for just what {other.id} looks for; remove one"
                    yield _issue(rule, Fault.DUPLICATE_RULE, message)
            elif same or _is_part(rule.condition, other.condition):
                message = f"hits only where {other.id} hits, too; narrow that one or remove this"
                yield _issue(rule, Fault.SHADOWED_RULE, message)


def _reaches(wide: Scope, narrow: Scope) -> bool:
    """Whether one scope covers everybody and everything that another one covers."""
    roles = not wide.roles or (bool(narrow.roles) and set(narrow.roles) <= set(wide.roles))
    attributes = set(wide.attributes) <= set(narrow.attributes)
    return roles and attributes and wide.live >= narrow.live and wide.report >= narrow.report


def _is_part(one: Condition, other: Condition) -> bool:
    """Whether the phrases of one condition are some of those of the other."""
    return (
        isinstance(one, PhraseCondition)
        and isinstance(other, PhraseCondition)
        and set(one.any_of) < set(other.any_of)
        and set(other.unless_before) <= set(one.unless_before)
    )


@cache
def everyday_talk() -> tuple[str, ...]:
    """Sentences of ordinary calls, which no rule about words should hit."""
    text = resources.files("rules").joinpath("everyday_talk.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def _everyday(
    rulebook: Rulebook, rules: Sequence[Rule], embedder: Embedder | None
) -> Iterator[LintIssue]:
    wordy = tuple(
        replace(rule, scope=Scope())
        for rule in rules
        if isinstance(rule.condition, _WORDY)
        and (
            embedder is not None
            or not any(isinstance(part, SimilarCondition) for part in walk(rule.condition))
        )
    )
    if not wordy:
        return
    engine = Engine(
        replace(rulebook, rules=wordy),
        timeline=False,
        statuses=set(RuleStatus),
        embedder=embedder,
    )
    hit: dict[str, str] = {}
    for sentence in everyday_talk():
        state = engine.start()
        for event in sentence_events(sentence):
            step = engine.feed(state, event)
            state = step.state
            for found in step.hits:
                hit.setdefault(found.rule_id, sentence)
    for rule in rules:
        if rule.id in hit:
            mend = "make the phrase longer"
            if any(isinstance(part, SimilarCondition) for part in walk(rule.condition)):
                mend = "raise min_similarity, or put such a sentence under `unlike`"
            message = f"hits everyday talk ({hit[rule.id]!r}); {mend}"
            yield _issue(rule, Fault.EVERYDAY_TALK, message)
