"""From what a rule's condition found to a hit that may be logged, stored and sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from rules.rulebook import Evidence, Rule
from rules.types import Hit, HitState
from rules.watchers.occurrence import Occurrence

MAX_KEPT = 8
SAME_HIT_S = 2.0  # an interim hit and a final one may be so far apart and mean the same words


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A hit that a rule had, as far as later ones depend on it."""

    first: int
    last: int
    at_s: float


def is_new(rule: Rule, past: tuple[Past, ...], found: Occurrence) -> bool:
    """Whether it is another hit: other words, and not within the rule's cooldown."""
    for each in past:
        if found.first >= 0 and found.first <= each.last and each.first <= found.last:
            return False
        if rule.cooldown_s and abs(found.at_s - each.at_s) < rule.cooldown_s:
            return False
    return True


def remembered(past: tuple[Past, ...], found: Occurrence) -> tuple[Past, ...]:
    """The latest hits of a rule for a speaker."""
    new = Past(first=found.first, last=found.last, at_s=found.at_s)
    return (*past, new)[-MAX_KEPT:]


def hit_of(rule: Rule, found: Occurrence) -> Hit:
    """The hit; its id is the same for the same events in any process."""
    if found.parts:
        part = found.parts[0]
        place: tuple[object, ...] = (part.utterance_id, part.start_chars, part.end_chars)
    else:
        place = (f"{found.span.end_s:.6f}",)
    if len(found.parts) > 1 and found.first < 0:
        place = (*place, f"{found.span.end_s:.6f}")
    identity = repr((rule.id, rule.version, found.speaker, *place))
    return Hit(
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        rule_id=rule.id,
        rule_version=rule.version,
        severity=rule.severity,
        speaker=found.speaker,
        span=found.span,
        parts=found.parts,
        excerpt=found.excerpt if rule.evidence is Evidence.EXCERPT else "",
        score=found.score,
        state=HitState.CONFIRMED,
        at_s=found.at_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A hit that interim words gave, until the final ones confirm or retract it."""

    utterance_id: str
    hit: Hit = field(repr=False)
    final_end_s: float | None = None  # end of the final words, once they have come

    def means(self, hit: Hit) -> bool:
        """Whether a hit is about the same thing."""
        return (
            self.hit.rule_id == hit.rule_id
            and self.hit.speaker == hit.speaker
            and self.hit.span.gap_s(hit.span) <= SAME_HIT_S
        )

    def retracted(self, at_s: float) -> Hit:
        """The same hit, taken back."""
        return replace(self.hit, state=HitState.RETRACTED, at_s=at_s)


def confirmed(
    hits: Iterable[Hit], open_ones: Iterable[Provisional]
) -> tuple[list[Hit], list[Provisional]]:
    """The hits, under the id of the provisional hit where one was told before; and those left."""
    left = list(open_ones)
    told: list[Hit] = []
    for hit in hits:
        known = next((each for each in left if each.means(hit)), None)
        if known is not None:
            left.remove(known)
            hit = replace(hit, id=known.hit.id)
        told.append(hit)
    return told, left
