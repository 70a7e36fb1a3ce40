"""What a loaded rule is: plain frozen data, free of files and of how it is matched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from rules.conditions import Condition
from rules.errors import RuleInputError
from rules.types import Participant, Role, Severity


class RuleStatus(StrEnum):
    """Where a rule stands in its life."""

    DRAFT = "draft"  # loaded, linted and case-tested, but run on no call
    SHADOW = "shadow"  # run where a caller asks for it, for comparison; never an alert
    ACTIVE = "active"
    DEPRECATED = "deprecated"  # kept so that old hits keep their explanation


class Evidence(StrEnum):
    """What a hit may show of what was said."""

    NONE = "none"  # rule, speaker and time only
    EXCERPT = "excerpt"  # a masked excerpt as well


ALERT = "alert"


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
    # Each attribute with the values that count; a speaker without the attribute is left out.
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    live: bool = True
    report: bool = True

    def covers(self, speaker: Participant | None) -> bool:
        """Whether what this speaker says is looked at; None = nothing is known of the speaker."""
        role = None if speaker is None else speaker.role
        if self.roles and role is not None and role not in self.roles:
            return False
        return self.has_attributes(speaker)

    def has_attributes(self, speaker: Participant | None) -> bool:
        """Whether a participant has every attribute, with a value that counts."""
        known = dict(() if speaker is None else speaker.attributes)
        return all(known.get(key) in values for key, values in self.attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a pack."""

    id: str
    version: int
    title: str
    description: str
    severity: Severity
    condition: Condition
    pack_id: str = ""
    status: RuleStatus = RuleStatus.ACTIVE
    min_score: float = 0.0  # hits below it are dropped
    cooldown_s: float = 0.0  # after a hit, the same speaker raises no other for so long
    actions: tuple[str, ...] = (ALERT,)  # names that alert targets may filter by
    evidence: Evidence = Evidence.EXCERPT
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    scope: Scope = Scope()
    location: RuleLocation = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackInfo:
    """Which pack, and which version of it, is in a rule book."""

    id: str
    version: int
    owner: str | None = None  # who answers for it
    locale: str | None = None  # BCP 47, such as en-US; None = any
    location: RuleLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedName:
    """A list or a macro that no rule uses, or only deprecated ones."""

    kind: str  # "list" or "macro"
    name: str
    is_retired: bool = False  # deprecated rules use it
    pack_id: str
    location: RuleLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules in force, ordered by id."""

    rules: tuple[Rule, ...]
    packs: tuple[PackInfo, ...]
    unused: tuple[UnusedName, ...] = ()
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
