"""Why a transcript hit a rule, or why it did not: what each condition found, step by step."""

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
    Phrase,
    PhraseCondition,
    RegexCondition,
    SequenceCondition,
    SimilarCondition,
)
from rules.engine import Engine
from rules.plan import Node, planned
from rules.rulebook import Rule, Rulebook, RuleStatus
from rules.similarity import Embedder
from rules.trace import Verdict
from rules.types import Event
from rules.watchers.occurrence import Occurrence

MAX_SHOWN_PHRASES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a condition came upon."""

    verdict: Verdict
    excerpt: str  # masked
    speaker: str | None
    start_s: float | None
    at_s: float | None  # when it was decided
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One condition of a rule, and everything that it came upon."""

    depth: int
    label: str  # what it looks for
    findings: tuple[Finding, ...] = field(repr=False)

    @property
    def n_found(self) -> int:
        """How often it was met."""
        return sum(1 for finding in self.findings if finding.verdict is Verdict.FOUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a rule hit, or not."""

    rule: Rule
    n_hits: int
    conditions: tuple[Explained, ...]  # from the rule's own condition down, depth first

    @property
    def reason(self) -> str:
        """One sentence."""
        if self.n_hits:
            return f"{self.n_hits} {'hit' if self.n_hits == 1 else 'hits'}"
        verdicts = [f.verdict for each in self.conditions for f in each.findings]
        for verdict, said in _NO_HIT.items():
            if verdict in verdicts:
                return f"no hit: {said}"
        never = next((c for c in reversed(self.conditions) if not c.n_found), None)
        if never is None or never.depth == 0:
            return "no hit: nothing that it looks for was found"
        return f"no hit: never found: {never.label}"


_NO_HIT = {
    Verdict.UNLIKE: "what was said is closer to a near miss that the rule names",
    Verdict.BELOW_SCORE: "what was found scores too low",
    Verdict.OUT_OF_SCOPE: "it was said by somebody whom the rule passes over",
    Verdict.TAKEN_BACK: "a word before it takes it back",
}


def explain(
    rule: Rule, events: Sequence[Event], *, timeline: bool, embedder: Embedder | None = None
) -> Explanation:
    """Feed events to an engine with this one rule and note what its conditions come upon.

    Args:
        rule: The rule; its status does not matter.
        events: A call or a sentence, from its start to its end.
        timeline: Whether the events are a whole call with times of its own.
        embedder: For `similar` conditions.
    """
    findings: dict[int, list[Finding]] = {}
    nodes = planned([rule], timeline=timeline).nodes
    n_hits = 0

    def note(node: Node, verdict: Verdict, excerpt: str, found: Occurrence | None) -> None:
        nonlocal n_hits
        n_hits += verdict is Verdict.HIT
        findings.setdefault(node.number, []).append(
            Finding(
                verdict=verdict,
                excerpt=excerpt,
                speaker=None if found is None else found.speaker,
                start_s=None if found is None else found.span.start_s,
                at_s=None if found is None else found.at_s,
                score=None if found is None else found.score,
            )
        )

    book = Rulebook(rules=(rule,), packs=(), fingerprint="")
    engine = Engine(
        book, timeline=timeline, statuses=tuple(RuleStatus), trace=note, embedder=embedder
    )
    state = engine.start()
    for event in events:
        state = engine.feed(state, event).state
    return Explanation(
        rule=rule,
        n_hits=n_hits,
        conditions=tuple(
            Explained(
                depth=_depth(nodes, node),
                label=label(node.condition),
                findings=tuple(findings.get(node.number, ())),
            )
            for node in nodes
        ),
    )


def described(rule: Rule) -> tuple[tuple[int, str], ...]:
    """What a rule looks for, without a call: depth and words of each condition, depth first."""
    nodes = planned([rule], timeline=True).nodes
    return tuple((_depth(nodes, node), label(node.condition)) for node in nodes)


def _depth(nodes: Sequence[Node], node: Node) -> int:
    return 0 if node.parent is None else 1 + _depth(nodes, nodes[node.parent])


def label(condition: Condition) -> str:
    """A condition in a few words."""
    match condition:
        case EntityCondition():
            return (
                f"pii {', '.join(condition.types)} with a score of {condition.min_score:g} or more"
            )
        case PhraseCondition():
            unless = ", ".join(condition.unless_before)
            back = f", unless one of {unless} stands before it" if unless else ""
            return f"phrase {_some(condition.any_of)}{back}"
        case LemmaCondition():
            return f"lemma {_some(condition.any_of)}"
        case RegexCondition():
            return f"regex, {len(condition.any_of)} of them"
        case SimilarCondition():
            shown = [repr(text) for text in condition.to[:MAX_SHOWN_PHRASES]]
            more = len(condition.to) - len(shown)
            some = ", ".join(shown) + (f" or {more} more" if more else "")
            unlike = f", and less to {len(condition.unlike)} others" if condition.unlike else ""
            return f"similar by {condition.min_similarity:g} or more to {some}{unlike}"
        case DigitsCondition():
            return f"digits, {condition.min_digits} to {condition.max_digits}"
        case NearCondition():
            limit = condition.within_words
            within = f"{condition.within_s:g} s" if limit is None else f"{limit} words"
            return f"near: all of these within {within}"
        case SequenceCondition():
            return "sequence: these, one after another"
        case AbsentCondition():
            since = "what comes second below" if condition.after else condition.anchor.value
            return f"absent: not said within {condition.within_s:g} s of {since}"
        case AllCondition():
            n_nots = len(condition.unless)
            return "all of these" + (f", the last {n_nots} taking it back" if n_nots else "")
        case AnyCondition():
            return "any of these"
        case CountCondition():
            return f"count: {condition.at_least} times"
        case NotCondition():
            return "not"
        case MetricCondition():
            above = condition.above
            limit_text = f"below {condition.below:g}" if above is None else f"above {above:g}"
            return f"metric {condition.metric.value} {limit_text}"


def _some(phrases: Sequence[Phrase]) -> str:
    shown = [repr(phrase.text) for phrase in phrases[:MAX_SHOWN_PHRASES]]
    more = len(phrases) - len(shown)
    return ", ".join(shown) + (f" or {more} more" if more else "")
