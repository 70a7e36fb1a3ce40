"""The trees of conditions at work: what one of them finds goes up, and at the top becomes a hit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.conditions import EntityCondition
from rules.conduct import Conduct
from rules.hearing import OpenHearing
from rules.hits import hit_of, is_new, remembered
from rules.plan import Node, Plan
from rules.rulebook import Rule
from rules.said import hull, ranges
from rules.state import State
from rules.trace import Trace, Verdict
from rules.types import Entity, Hit, Participant, Role
from rules.watchers.occurrence import Occurrence
from rules.watchers.watcher import Outcome


class Tree:
    """One event's changes to what the conditions remember.

    Args:
        plan: All conditions.
        state: Before the event.
        trace: Is told of everything, if somebody asked.
    """

    def __init__(self, plan: Plan, state: State, trace: Trace | None) -> None:
        self._plan = plan
        self._trace = trace
        self._participants: Mapping[str, Participant] = state.participants
        self.memories: dict[int, Any] = dict(state.memories)
        self.past = dict(state.past)
        self.first_speech_s: float | None = state.first_speech_s
        self.conduct: Conduct = state.conduct
        self.hits: list[Hit] = []

    def may_be(self, speaker: str | None, roles: tuple[Role, ...]) -> bool:
        """Whether a speaker has one of the roles, or a role that nobody knows."""
        known = None if speaker is None else self._participants.get(speaker)
        return not roles or known is None or known.role is None or known.role in roles

    def covers(self, node: Node, speaker: str | None) -> bool:
        """Whether the rule's scope lets this speaker's words count in a condition."""
        if not node.in_scope:
            return True
        known = None if speaker is None else self._participants.get(speaker)
        return self._plan.rules[node.rule_index].scope.covers(known)

    def _concerns(self, rule: Rule) -> bool:
        """Whether somebody on the call has the attributes that a rule asks for."""
        everybody = self._participants.values()
        return not rule.scope.attributes or any(rule.scope.has_attributes(who) for who in everybody)

    def is_next(self, node: Node, speaker: str | None, first: int) -> bool:
        """Whether it begins behind what the condition last found with this speaker."""
        last: int = dict(self.memories.get(node.number) or ()).get(speaker, -1)
        return first > last

    def said(
        self,
        node: Node,
        memory: OpenHearing,
        speaker: str | None,
        first: int,
        last: int,
        excerpt: str,
        score: float,
        at_s: float | None = None,
    ) -> None:
        """A condition found words of a speaker, from one ordinal to another."""
        places = memory.places(first, last)
        known = dict(self.memories.get(node.number) or ())
        self.memories[node.number] = tuple({**known, speaker: last}.items())
        self.found(
            node,
            Occurrence(
                speaker=speaker,
                first=first,
                last=last,
                turn=places[-1].turn,
                span=hull(places),
                parts=ranges(places),
                excerpt=excerpt,
                score=score,
                at_s=places[-1].word.span.end_s if at_s is None else at_s,
            ),
        )

    def entity(self, entity: Entity, found: Occurrence) -> None:
        """Tell the conditions that ask for a type of personal data what was found."""
        for node in self._plan.entities:
            condition = node.condition
            if not isinstance(condition, EntityCondition):
                continue
            if entity.type not in condition.types:
                continue
            if entity.score < condition.min_score:
                self.tell(node, Verdict.BELOW_SCORE, found.excerpt, found)
            elif not self.covers(node, entity.speaker):
                self.tell(node, Verdict.OUT_OF_SCOPE, found.excerpt, found)
            else:
                self.found(node, found)

    def done(self, node: Node, outcome: Outcome) -> None:
        """Keep what a watcher remembers, and go on with what it found."""
        memory, found = outcome
        if memory is not None:
            self.memories[node.number] = memory
        for occurrence in found:
            self.found(node, occurrence)

    def tell(
        self, node: Node, verdict: Verdict, excerpt: str = "", found: Occurrence | None = None
    ) -> None:
        """Tell who asked for explanations."""
        if self._trace is not None:
            self._trace(node, verdict, excerpt, found)

    def found(self, node: Node, found: Occurrence) -> None:
        """Take what a condition found to the condition above it, or make a hit of it."""
        if node.is_metric and found.speaker is not None and not self.covers(node, found.speaker):
            self.tell(node, Verdict.OUT_OF_SCOPE, found.excerpt, found)
            return
        self.tell(node, Verdict.FOUND, found.excerpt, found)
        if node.parent is not None:
            above = self._plan.nodes[node.parent]
            if above.watcher is not None:
                known = self.memories.get(above.number)
                self.done(above, above.watcher.take(known, node.slot, found, self))
            return
        rule = self._plan.rules[node.rule_index]
        if found.speaker is None and not self._concerns(rule):
            self.tell(node, Verdict.OUT_OF_SCOPE, found.excerpt, found)
            return
        key = (node.rule_index, found.speaker)
        past = self.past.get(key, ())
        if found.score < rule.min_score:
            self.tell(node, Verdict.BELOW_SCORE, found.excerpt, found)
            return
        if not is_new(rule, past, found):
            self.tell(node, Verdict.REPEATED, found.excerpt, found)
            return
        self.tell(node, Verdict.HIT, found.excerpt, found)
        self.past[key] = remembered(past, found)
        self.hits.append(hit_of(rule, found))
