"""The engine: events of a call in, hits out. One engine for the live side and for the audit.

`feed` is a pure function of state and event. Words are taken one by one for each speaker, so the
way a recogniser cuts speech into utterances changes no hit, and somebody else's "mm-hm" does not
break a number. Interim utterances are heard on trial: what they would lead to are provisional hits,
which the final words confirm or retract. A final utterance that comes again is not heard twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from types import MappingProxyType

from rules.compiled import Compiled
from rules.conditions import DigitsCondition, EntityCondition, SimilarCondition
from rules.hits import Provisional, confirmed
from rules.rulebook import Rule, Rulebook, RuleStatus
from rules.similarity import Embedder
from rules.state import State
from rules.trace import Trace
from rules.types import (
    CallEnded,
    Entity,
    Event,
    HeardUntil,
    Hit,
    HitState,
    Participant,
    Utterance,
)
from rules.work import Work

__all__ = ["Engine", "State", "Step"]

SETTLE_S = 6.0  # after final words, until a provisional hit that waits for more is taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one event led to."""

    state: State
    hits: tuple[Hit, ...]
    entities: tuple[Entity, ...]


class Engine:
    """A rule book, compiled."""

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        timeline: bool = True,
        statuses: Collection[RuleStatus] = (RuleStatus.ACTIVE,),
        entities: Collection[str] = (),
        trace: Trace | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """Compile the rules.

        Args:
            rulebook: The rules.
            timeline: False for sentences without a call around them: what is missing in them
                means nothing, so conditions about absence and conduct never hit.
            statuses: Which rules run; shadow rules run only where a caller asks for them.
            entities: Types of personal data to report although no rule asks for them.
            trace: Is told of everything that a condition finds or passes over, for explanations.
            embedder: Needed where a rule that runs has a `similar` condition.

        Raises:
            RuleInputError: such a rule, and no embedder; or names are asked for, and the language
                model is not installed.
        """
        self._compiled = Compiled(
            rulebook,
            timeline=timeline,
            statuses=statuses,
            entities=entities,
            trace=trace,
            embedder=embedder,
        )
        self._patient = {
            node.rule_index
            for node in self._compiled.plan.nodes
            if isinstance(node.condition, EntityCondition | DigitsCondition | SimilarCondition)
            or (node.watcher and node.watcher.on_words)
        }

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that run."""
        return self._compiled.plan.rules

    def start(self) -> State:
        """The state of a call in which nothing has happened yet."""
        return State()

    def feed(self, state: State, event: Event) -> Step:
        """Take in one event; events come in the order of time."""
        match event:
            case Participant():
                known = MappingProxyType({**state.participants, event.identity: event})
                return Step(state=replace(state, participants=known), hits=(), entities=())
            case Utterance() if self._is_old(state, event):
                return Step(state=state, hits=(), entities=())
            case Utterance(is_final=True):
                return self._final(state, event)
            case Utterance():
                return self._interim(state, event)
            case HeardUntil() | CallEnded():
                return self._silence(state, event.at_s, ended=isinstance(event, CallEnded))

    def _is_old(self, state: State, utterance: Utterance) -> bool:
        known = state.speakers.get(utterance.speaker)
        return state.ended or (known is not None and utterance.id in known.final_ids)

    def _final(self, state: State, utterance: Utterance) -> Step:
        work = Work(self._compiled, state)
        work.hear(utterance)
        hits, open_ones = confirmed(work.hits, state.provisional)
        kept: list[Provisional] = []
        for each in open_ones:
            if each.utterance_id != utterance.id:
                kept.append(each)
            elif self._may_still_come(each, utterance):
                kept.append(replace(each, final_end_s=utterance.span.end_s))
            else:
                hits.append(each.retracted(utterance.span.end_s))
        after = work.state(tuple(kept))
        return Step(state=after, hits=tuple(hits), entities=tuple(work.entities))

    def _may_still_come(self, provisional: Provisional, final: Utterance) -> bool:
        # A long piece of speech is cut in mid-sentence: what lay behind the cut is said next.
        return provisional.hit.span.end_s > final.span.end_s or any(
            self._compiled.plan.rules[i].id == provisional.hit.rule_id for i in self._patient
        )

    def _interim(self, state: State, utterance: Utterance) -> Step:
        trial = Work(self._compiled, state)
        trial.hear(utterance)
        new: list[Provisional] = []
        for hit in trial.hits:
            known = any(p.means(hit) for p in (*state.provisional, *new))
            if not known:
                guess = replace(hit, state=HitState.PROVISIONAL)
                new.append(Provisional(utterance_id=utterance.id, hit=guess))
        if not new:
            return Step(state=state, hits=(), entities=())
        after = replace(state, provisional=(*state.provisional, *new))
        return Step(state=after, hits=tuple(p.hit for p in new), entities=())

    def _silence(self, state: State, at_s: float, *, ended: bool) -> Step:
        if state.ended:
            return Step(state=state, hits=(), entities=())
        work = Work(self._compiled, state)
        work.pass_time(at_s, ended=ended)
        hits, open_ones = confirmed(work.hits, state.provisional)
        over = [
            p
            for p in open_ones
            if ended or (p.final_end_s is not None and at_s > p.final_end_s + SETTLE_S)
        ]
        hits += [p.retracted(at_s) for p in over]
        kept = tuple(p for p in open_ones if p not in over)
        after = work.state(kept)
        return Step(state=after, hits=tuple(hits), entities=tuple(work.entities))
