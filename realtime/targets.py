"""Alert targets: who outside is told of which hits, and in which form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from rules.rulebook import Rule
from rules.types import Hit, HitState, Severity

SHORT_FORM = "webhook"  # name of the target that the setting webhook_url stands for
PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"

_SEVERITIES = tuple(Severity)  # mildest first


class TargetKind(StrEnum):
    """The form in which a target is told."""

    WEBHOOK = "webhook"  # our own JSON, signed as Standard Webhooks has it
    SLACK = "slack"  # an incoming webhook of Slack, or of what speaks like it
    PAGERDUTY = "pagerduty"  # PagerDuty's Events API v2


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where alerts go, and which of them. Filters that are empty let everything through."""

    name: str  # deliveries are queued under it, so it outlives a change of the address
    kind: TargetKind = TargetKind.WEBHOOK
    url: str = field(repr=False)  # may be a secret by itself
    secrets: tuple[str, ...] = field(default=(), repr=False)  # whsec_ and base64; each one signs
    routing_key: str | None = field(default=None, repr=False)  # PagerDuty's
    min_severity: Severity = Severity.INFO
    rules: tuple[str, ...] = ()  # ids, or patterns such as pii.*
    tags: tuple[str, ...] = ()
    provisional: bool = True  # whether it is told before the final words confirm the hit
    group_s: float = 0.0  # hits of a rule on a call within it are collected; 0 = each by itself

    @property
    def host(self) -> str:
        """Where it is, without what may be secret in the address."""
        return urlsplit(self.url).hostname or ""

    def wants(self, hit: Hit, rule: Rule | None) -> bool:
        """Whether this target is told of a hit.

        Args:
            hit: In the state that would be told.
            rule: The hit's rule; None where the rules in force no longer have it.
        """
        if hit.state is HitState.PROVISIONAL and not self.provisional:
            return False
        if _SEVERITIES.index(hit.severity) < _SEVERITIES.index(self.min_severity):
            return False
        if self.rules and not any(fnmatchcase(hit.rule_id, pattern) for pattern in self.rules):
            return False
        tags = rule.tags if rule is not None else ()
        return not self.tags or not set(self.tags).isdisjoint(tags)

    def idle_filters(self, rules: Iterable[Rule]) -> tuple[str, ...]:
        """Names in the filters that no rule has, such as misspelled ones: they let nothing through.

        Args:
            rules: The rules in force.
        """
        rules = tuple(rules)
        tags = {tag for rule in rules for tag in rule.tags}
        return (
            *(p for p in self.rules if not any(fnmatchcase(rule.id, p) for rule in rules)),
            *(tag for tag in self.tags if tag not in tags),
        )
