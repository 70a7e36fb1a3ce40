"""What a changed rule book would add and lose on calls that are over, against the one in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from rules.conditions import finds_personal_data
from rules.engine import Engine
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder
from rules.types import Event, Hit, HitState, Span

# A verdict that overlaps no hit is about one that is no farther away: it may have been given on
# what was heard live, whose times differ.
NEAR_S = 2.0


class Decision(StrEnum):
    """What reviewers decided on a hit."""

    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    ESCALATED = "escalated"
    DISPUTED = "disputed"  # reviewers disagree, and nobody has settled it
    NONE = "not reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A reviewer's verdict on a rule at a place of a call."""

    rule_id: str
    speaker: str | None  # None also where it is not known; it then speaks for every speaker
    span: Span
    decision: Decision
    reviewer: str | None = field(default=None, repr=False)  # None = not told; each counts
    is_final: bool = False  # settles what reviewers disagree on


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A call that is over."""

    id: str
    events: tuple[Event, ...] = field(repr=False)
    timeline: bool = True
    is_masked: bool = False  # personal data is covered, so rules that look for it find nothing
    is_complete: bool = True  # all of it was heard; else what seems missing may have been said
    reviews: tuple[Review, ...] = ()  # oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A hit that only one of the two books has."""

    call_id: str
    hit: Hit
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChanges:
    """What changes on one call, by rule and time."""

    added: tuple[Change, ...]
    lost: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """What changes for one rule: counts of hits by what reviewers said, and some of the hits."""

    rule_id: str
    kept: Mapping[Decision, int]
    added: Mapping[Decision, int]
    lost: Mapping[Decision, int]
    added_examples: tuple[Change, ...]  # those that were reviewed go first where not all fit
    lost_examples: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing changes."""
        return not self.added and not self.lost

    @property
    def before(self) -> Mapping[Decision, int]:
        """The hits of the book in force."""
        return Counter(self.kept) + Counter(self.lost)

    @property
    def after(self) -> Mapping[Decision, int]:
        """The hits of the changed book."""
        return Counter(self.kept) + Counter(self.added)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotChecked:
    """A rule for personal data, on calls where that is masked."""

    rule_id: str
    n_calls: int
    is_changed: bool  # the books differ in it, so the result is not the whole one


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """The result over all calls."""

    n_calls: int
    n_masked: int
    n_incomplete: int
    rules: tuple[RuleChange, ...]  # of every rule that hit in one of the books, by id
    not_checked: tuple[NotChecked, ...]  # by rule id

    @property
    def is_same(self) -> bool:
        """Whether nothing changes, as far as that was seen."""
        return all(rule.is_same for rule in self.rules)

    @property
    def is_whole(self) -> bool:
        """Whether every rule that was changed was tried on every call."""
        return not any(each.is_changed for each in self.not_checked)


class Comparison:
    """Runs two books over calls, one call after the other, and compares hit by hit.

    Memory does not grow with the calls but for the examples.

    Args:
        in_force: The book that people work with.
        changed: The book that somebody proposes.
        max_examples: Added and lost hits that are kept of each rule, so many of each.
        embedder: Needed where a rule of either has a `similar` condition.
        statuses: Rules with another status take no part.
    """

    def __init__(
        self,
        *,
        in_force: Rulebook,
        changed: Rulebook,
        max_examples: int,
        embedder: Embedder | None = None,
        statuses: Collection[RuleStatus] = (RuleStatus.ACTIVE,),
    ) -> None:
        self._engines = {
            timeline: (
                Engine(in_force, timeline=timeline, embedder=embedder, statuses=statuses),
                Engine(changed, timeline=timeline, embedder=embedder, statuses=statuses),
            )
            for timeline in (True, False)
        }
        before = {rule.id: rule for rule in in_force.rules}
        after = {rule.id: rule for rule in changed.rules}
        self._blind_on_masked = {
            rule.id
            for rule in (*in_force.rules, *changed.rules)
            if finds_personal_data(rule.condition)
        }
        self._differing = {id for id in before | after if before.get(id) != after.get(id)}
        self._max_examples = max_examples
        self._counts = {kind: Counter[tuple[str, Decision]]() for kind in ("kept", "added", "lost")}
        self._examples: dict[tuple[str, str], list[Change]] = {}
        self._n_calls = self._n_masked = self._n_incomplete = 0

    def add(self, call: PastCall) -> CallChanges:
        """Run both books over one more call."""
        self._n_calls += 1
        self._n_masked += call.is_masked
        self._n_incomplete += not call.is_complete
        blind = self._blind_on_masked if call.is_masked else frozenset()
        before, after = (
            [hit for hit in _hits(engine, call.events) if hit.rule_id not in blind]
            for engine in self._engines[call.timeline]
        )
        verdicts = _Verdicts(call.reviews, (*before, *after))
        added: list[Change] = []
        for hit in after:
            candidates = [old for old in before if _is_same(old, hit)]
            if candidates:
                same = max(candidates, key=lambda old: _nearness(old.span, hit.span))
                before.remove(same)
                self._counts["kept"][hit.rule_id, verdicts.on(same, hit)] += 1
            else:
                added.append(Change(call_id=call.id, hit=hit, decision=verdicts.on(hit)))
        lost = [Change(call_id=call.id, hit=hit, decision=verdicts.on(hit)) for hit in before]
        for kind, changes in (("added", added), ("lost", lost)):
            for change in changes:
                self._counts[kind][change.hit.rule_id, change.decision] += 1
                self._show(kind, change)
        return CallChanges(added=tuple(added), lost=tuple(lost))

    def result(self) -> Backtest:
        """What it comes to so far."""
        seen = {rule_id for counts in self._counts.values() for rule_id, _ in counts}
        return Backtest(
            n_calls=self._n_calls,
            n_masked=self._n_masked,
            n_incomplete=self._n_incomplete,
            rules=tuple(
                RuleChange(
                    rule_id=rule_id,
                    kept=self._by_decision("kept", rule_id),
                    added=self._by_decision("added", rule_id),
                    lost=self._by_decision("lost", rule_id),
                    added_examples=tuple(self._examples.get(("added", rule_id), ())),
                    lost_examples=tuple(self._examples.get(("lost", rule_id), ())),
                )
                for rule_id in sorted(seen)
            ),
            not_checked=tuple(
                NotChecked(
                    rule_id=rule_id,
                    n_calls=self._n_masked,
                    is_changed=rule_id in self._differing,
                )
                for rule_id in sorted(self._blind_on_masked)
                if self._n_masked
            ),
        )

    def _by_decision(self, kind: str, rule_id: str) -> Mapping[Decision, int]:
        counts = self._counts[kind]
        return {d: counts[rule_id, d] for d in Decision if (rule_id, d) in counts}

    def _show(self, kind: str, change: Change) -> None:
        shown = self._examples.setdefault((kind, change.hit.rule_id), [])
        if len(shown) < self._max_examples:
            shown.append(change)
        elif change.decision is not Decision.NONE:
            # What reviewers looked at tells more than what they did not.
            unreviewed = (i for i, each in enumerate(shown) if each.decision is Decision.NONE)
            replaced = next(unreviewed, None)
            if replaced is not None:
                del shown[replaced]
                shown.append(change)


def same_packs(in_force: Rulebook, changed: Rulebook) -> Rulebook:
    """The rules in force that a changed pack would take the place of.

    Those of packs that are not in `changed` stay out of a comparison: they stay in force.
    """
    packs = {pack.id for pack in changed.packs}
    rules = {rule.id for rule in changed.rules}
    return replace(
        in_force,
        rules=tuple(rule for rule in in_force.rules if rule.pack_id in packs or rule.id in rules),
        packs=tuple(pack for pack in in_force.packs if pack.id in packs),
    )


def decision_of(reviews: Sequence[Review]) -> Decision:
    """What verdicts on one and the same thing come to.

    The last final one counts; without any, the last of each reviewer, where they agree.

    Args:
        reviews: Oldest first.
    """
    final = [review.decision for review in reviews if review.is_final]
    if final:
        return final[-1]
    by_reviewer = {review.reviewer or number: review for number, review in enumerate(reviews)}
    decisions = {review.decision for review in by_reviewer.values()}
    if len(decisions) > 1:
        return Decision.DISPUTED
    return decisions.pop() if decisions else Decision.NONE


def precision_ratio(hits: Mapping[Decision, int]) -> float | None:
    """The share of true hits among those on which reviewers have decided.

    What was escalated or is disputed counts on neither side. None where nothing was decided.
    """
    n_true, n_false = (hits.get(d, 0) for d in (Decision.CONFIRMED, Decision.FALSE_ALARM))
    return n_true / (n_true + n_false) if n_true + n_false else None


def _hits(engine: Engine, events: Sequence[Event]) -> list[Hit]:
    state = engine.start()
    hits: dict[str, Hit] = {}
    for event in events:
        step = engine.feed(state, event)
        state = step.state
        hits.update({hit.id: hit for hit in step.hits})
    return [hit for hit in hits.values() if hit.state is not HitState.RETRACTED]


def _is_same(one: Hit, other: Hit) -> bool:
    # Both books had the same words, so hits on the same ones overlap. What nobody said has no place
    # of its own: a deadline that moves is still the same absence.
    return (
        one.rule_id == other.rule_id
        and one.speaker == other.speaker
        and (one.speaker is None or one.span.overlap_s(other.span) > 0)
    )


def _nearness(one: Span, other: Span) -> tuple[float, float]:
    return one.overlap_s(other), -one.gap_s(other)


class _Verdicts:
    """The verdicts on a call, and which hits they are about."""

    def __init__(self, reviews: Sequence[Review], hits: Sequence[Hit]) -> None:
        self._reviews = reviews
        self._overlapping = [any(_overlaps(review, hit) for hit in hits) for review in reviews]

    def on(self, *hits: Hit) -> Decision:
        """What reviewers decided on a hit, or on one that both books have."""
        return decision_of(
            [
                review
                for review, has_hit in zip(self._reviews, self._overlapping, strict=True)
                if any(_overlaps(review, hit) for hit in hits)
                # Close to this hit, and on another one: then it is about the other.
                or (not has_hit and any(_is_near(review, hit) for hit in hits))
            ]
        )


def _overlaps(review: Review, hit: Hit) -> bool:
    return _is_about(review, hit) and review.span.overlap_s(hit.span) > 0


def _is_near(review: Review, hit: Hit) -> bool:
    return _is_about(review, hit) and (hit.speaker is None or review.span.gap_s(hit.span) <= NEAR_S)


def _is_about(review: Review, hit: Hit) -> bool:
    return review.rule_id == hit.rule_id and review.speaker in {hit.speaker, None}
