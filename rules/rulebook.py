"""What a loaded rule is: plain frozen data, free of files and of how it is matched.

A new kind of condition is a dataclass here, a model in `schema.py`, and a watcher in the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from rules.errors import RuleInputError
from rules.types import Role, Severity


class RuleStatus(StrEnum):
    """Where a rule stands in its life."""

    DRAFT = "draft"  # loaded, linted and case-tested, but run on no call
    SHADOW = "shadow"  # run where a caller asks for it, for comparison; never an alert
    ACTIVE = "active"
    DEPRECATED = "deprecated"  # kept so that old hits keep their explanation


class Anchor(StrEnum):
    """From when the deadline of an absence counts."""

    FIRST_SPEECH = "first_speech"
    CALL_START = "call_start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """Words in a row, with up to `slop` other words strewn between them."""

    text: str
    slop: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCondition:
    """A piece of personal data was said."""

    type: str
    min_score: float = 0.5  # in [0.0, 1.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseCondition:
    """One of the phrases was said, and none of `unless_before` shortly before it."""

    any_of: tuple[Phrase, ...]
    unless_before: tuple[str, ...] = ()
    not_within_words: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentCondition:
    """None of the phrases was said in time by anybody who may say them."""

    any_of: tuple[Phrase, ...]
    within_s: float
    anchor: Anchor = Anchor.FIRST_SPEECH
    said_by: tuple[Role, ...] = ()  # empty = anybody


Condition = EntityCondition | PhraseCondition | AbsentCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLocation:
    """Where a rule stands in its file; line and column count from 1."""

    path: Path
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """To whom and where a rule applies."""

    roles: tuple[Role, ...] = ()  # empty = everybody; a speaker of unknown role is always included
    live: bool = True
    report: bool = True

    def covers(self, role: Role | None) -> bool:
        """Whether what a speaker of this role says is looked at."""
        return not self.roles or role is None or role in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a pack."""

    id: str
    version: int
    title: str
    description: str
    severity: Severity
    condition: Condition
    status: RuleStatus = RuleStatus.ACTIVE
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    scope: Scope = Scope()
    location: RuleLocation = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackInfo:
    """Which pack, and which version of it, is in a rule book."""

    id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules in force, ordered by id."""

    rules: tuple[Rule, ...]
    packs: tuple[PackInfo, ...]
    fingerprint: str  # sha256, hex, of the content; paths, order of files and comments don't count

    def for_live(self) -> Rulebook:
        """The rules that may raise alerts during a call; the fingerprint stays the book's."""
        return replace(self, rules=tuple(rule for rule in self.rules if rule.scope.live))

    def rule(self, rule_id: str) -> Rule:
        """The rule with this id.

        Raises:
            RuleInputError: there is none.
        """
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise RuleInputError(f"no rule {rule_id} in this rule book")
