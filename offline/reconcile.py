"""Live hits and audit hits, laid side by side: what live heard, what it missed, what it invented.

The two sides are joined by rule, speaker and place, never by text, which differs between two
recognisers. What nobody said, such as a missing notice, has no place that means anything and is
joined by rule alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rules.types import Hit, HitState
from storage.findings import LiveVerdict

# Word times of two recognisers differ by some tenths of a second; a speech detector that cuts
# elsewhere moves them further.
NEAR_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One finding as both sides saw it; at least one side did."""

    audit: Hit | None
    live: Hit | None
    verdict: LiveVerdict

    @property
    def hit(self) -> Hit:
        """The audit's hit where there is one, because it is the authoritative one."""
        hit = self.audit or self.live
        if hit is None:
            raise ValueError("a pair without a hit")
        return hit


def reconcile(
    audit_hits: Sequence[Hit],
    live_hits: Sequence[Hit] | None,
    *,
    was_heard: Callable[[Hit], bool],
    everything_heard: bool,
    runs_live: Callable[[str], bool] = lambda rule_id: True,
    near_s: float = NEAR_S,
) -> tuple[Pair, ...]:
    """Join both sides.

    Args:
        audit_hits: What the audit found.
        live_hits: What was raised live; None where nobody listened. Retracted ones don't count.
        was_heard: Whether the audit heard the speaker and span of a live hit.
        everything_heard: Whether the audit heard all of the call. A phrase that is missing may
            have been said where it heard nothing.
        runs_live: Whether a rule, by id, is one that runs live.
        near_s: Spans this far apart may still be the same.

    Returns:
        In time order. Every audit hit is in exactly one pair, and every live hit in one at least,
        but for live hits that overlap an audit hit which another one matches better.
    """
    live = [hit for hit in live_hits or () if hit.state is not HitState.RETRACTED]
    candidates = _candidates(audit_hits, live, near_s)
    joined = _nearest_first(candidates)
    seen_live = set(joined.values())
    # One side may report a number twice that the other reports once, for instance when a digit was
    # corrected. What overlaps a hit that is already joined is neither a miss nor a false alarm.
    for a, b in candidates:
        if audit_hits[a].speaker is not None and audit_hits[a].span.overlap_s(live[b].span) > 0:
            joined.setdefault(a, b)
            seen_live.add(b)
    pairs = [
        Pair(audit=audit_hits[a], live=live[b], verdict=LiveVerdict.CONFIRMED)
        for a, b in joined.items()
    ]
    for a, hit in enumerate(audit_hits):
        if a in joined:
            continue
        if hit.speaker is None and not everything_heard:
            verdict = LiveVerdict.UNVERIFIED
        elif live_hits is None or not runs_live(hit.rule_id):
            verdict = LiveVerdict.LIVE_NOT_RUN
        else:
            verdict = LiveVerdict.MISSED_LIVE
        pairs.append(Pair(audit=hit, live=None, verdict=verdict))
    for b, hit in enumerate(live):
        if b not in seen_live:
            heard = everything_heard if hit.speaker is None else was_heard(hit)
            verdict = LiveVerdict.FALSE_ALARM_LIVE if heard else LiveVerdict.UNVERIFIED
            pairs.append(Pair(audit=None, live=hit, verdict=verdict))
    return tuple(sorted(pairs, key=lambda pair: (pair.hit.span, pair.hit.rule_id, pair.hit.id)))


def _candidates(
    audit_hits: Sequence[Hit], live: Sequence[Hit], near_s: float
) -> list[tuple[int, int]]:
    """Index pairs that may be the same, the likeliest first."""
    found = [
        (a, b)
        for a in range(len(audit_hits))
        for b in range(len(live))
        if _may_be_same(audit_hits[a], live[b], near_s)
    ]
    return sorted(found, key=lambda pair: (*_distance(audit_hits[pair[0]], live[pair[1]]), *pair))


def _nearest_first(candidates: Sequence[tuple[int, int]]) -> dict[int, int]:
    """One to one, so that of two hits close together live cannot get away with having one."""
    joined: dict[int, int] = {}
    taken: set[int] = set()
    for a, b in candidates:
        if a not in joined and b not in taken:
            joined[a] = b
            taken.add(b)
    return joined


def _may_be_same(audit: Hit, live: Hit, near_s: float) -> bool:
    if audit.rule_id != live.rule_id or audit.speaker != live.speaker:
        return False
    return audit.speaker is None or audit.span.gap_s(live.span) <= near_s


def _distance(audit: Hit, live: Hit) -> tuple[float, float, float]:
    """Overlapping ones first, the more the better; then the nearest."""
    return (
        audit.span.gap_s(live.span),
        -audit.span.overlap_s(live.span),
        abs(audit.span.start_s - live.span.start_s),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScore:
    """How well one rule did live, measured against the audit."""

    rule_id: str
    n_confirmed: int
    n_missed_live: int
    n_false_alarm_live: int
    n_unverified: int

    @property
    def precision_ratio(self) -> float | None:
        """Share of live hits that the audit confirms; None where nothing could be compared."""
        n_raised = self.n_confirmed + self.n_false_alarm_live
        return self.n_confirmed / n_raised if n_raised else None

    @property
    def recall_ratio(self) -> float | None:
        """Share of audit hits that live raised; None where nothing could be compared."""
        n_true = self.n_confirmed + self.n_missed_live
        return self.n_confirmed / n_true if n_true else None


def scores(pairs: Sequence[Pair]) -> tuple[RuleScore, ...]:
    """Counts for each rule that has a pair, by rule id."""
    by_rule: dict[str, list[LiveVerdict]] = {}
    for pair in pairs:
        by_rule.setdefault(pair.hit.rule_id, []).append(pair.verdict)
    return tuple(
        RuleScore(
            rule_id=rule_id,
            n_confirmed=verdicts.count(LiveVerdict.CONFIRMED),
            n_missed_live=verdicts.count(LiveVerdict.MISSED_LIVE),
            n_false_alarm_live=verdicts.count(LiveVerdict.FALSE_ALARM_LIVE),
            n_unverified=verdicts.count(LiveVerdict.UNVERIFIED),
        )
        for rule_id, verdicts in sorted(by_rule.items())
    )
