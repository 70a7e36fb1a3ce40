"""Faults of rules that load but are poor: findings as data, with their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.cases import Case
from rules.conditions import Phrase, PhraseCondition, needs_whole_call, walk
from rules.phrases import phrase_words
from rules.rulebook import Rule, Rulebook, RuleStatus
from rules.rulebook import RuleLocation as Location


class Fault(StrEnum):
    """Kinds of poor rules."""

    NO_HIT_CASE = "no-hit-case"
    NO_NEAR_MISS = "no-near-miss"
    NO_REFERENCE = "no-reference"
    REPORT_ONLY = "report-only"
    REPEATED_PHRASE = "repeated-phrase"
    UNREACHABLE_PHRASE = "unreachable-phrase"
    UNUSED = "unused"
    UNUSED_NAME = "unused-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintIssue:
    """One fault of one rule."""

    fault: Fault
    rule_id: str  # of a list or macro: the id of its pack
    location: Location
    message: str  # "problem; mend"

    def __str__(self) -> str:
        place = self.location
        return (
            f"{place.path}:{place.line}:{place.column}: "
            f"{self.rule_id}: {self.message} [{self.fault}]"
        )


def lint(rulebook: Rulebook, cases: Sequence[Case]) -> tuple[LintIssue, ...]:
    """Look for poor rules; deprecated ones are left alone."""
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
        for part in walk(rule.condition):
            if isinstance(part, PhraseCondition):
                issues += _phrase_issues(rule, part.any_of)
    issues += [
        LintIssue(
            fault=Fault.UNUSED_NAME,
            rule_id=unused.pack_id,
            location=unused.location,
            message=f"no rule uses {unused.kind} {unused.name!r}; use it or remove it",
        )
        for unused in rulebook.unused
    ]
    return tuple(issues)


def _issue(rule: Rule, fault: Fault, message: str) -> LintIssue:
    return LintIssue(fault=fault, rule_id=rule.id, location=rule.location, message=message)


def _phrase_issues(rule: Rule, phrases: Sequence[Phrase]) -> list[LintIssue]:
    issues: list[LintIssue] = []
    strict: dict[tuple[str, ...], str] = {}  # phrases that hit by themselves, gaps or not
    for phrase in phrases:
        words = phrase_words(phrase.text)
        if words in strict:
            message = f"phrase {phrase.text!r} reads like {strict[words]!r}; remove one"
            issues.append(_issue(rule, Fault.REPEATED_PHRASE, message))
        strict.setdefault(words, phrase.text)
    for phrase in phrases:
        if phrase.slop:
            continue  # with gaps it may hit where the shorter one does not
        words = phrase_words(phrase.text)
        parts = {words[a:b] for a in range(len(words)) for b in range(a + 1, len(words) + 1)} - {
            words
        }
        within = sorted(strict[part] for part in parts if part in strict)
        if within:
            message = f"phrase {phrase.text!r} always comes after {within[0]!r} hit; remove it"
            issues.append(_issue(rule, Fault.UNREACHABLE_PHRASE, message))
    return issues
