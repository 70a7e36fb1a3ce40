"""The judgement: all that was said on a call, through the engine that also listens live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.call_events import call_events
from rules.engine import Engine
from rules.entities import ENTITY_TYPES
from rules.rulebook import Rulebook
from rules.similarity import Embedder
from rules.types import Entity, Hit, HitState, Participant, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the rules found on a whole call, in time order."""

    hits: tuple[Hit, ...]
    entities: tuple[Entity, ...] = field(repr=False)


class Judge:
    """Feeds whole calls to the engine.

    Args:
        rulebook: The rules in force; those that are not meant for reports give no hits here.
        embedder: Needed where a rule has a `similar` condition.
    """

    def __init__(self, rulebook: Rulebook, embedder: Embedder | None = None) -> None:
        # All types, whether a rule asks for them or not: they are masked and redacted all the same.
        self._engine = Engine(rulebook, embedder=embedder, entities=ENTITY_TYPES)
        self._in_report = {rule.id for rule in rulebook.rules if rule.scope.report}

    def judge(
        self,
        participants: Sequence[Participant],
        utterances: Sequence[Utterance],
        *,
        end_s: float,
    ) -> Judgement:
        """Hear a call from its first to its last word.

        Args:
            participants: Everybody on the call whose role is known, or not.
            utterances: Of all speakers, in any order.
            end_s: Call-clock position of the end of the call, or of the audio.
        """
        state = self._engine.start()
        hits: dict[str, Hit] = {}
        entities: list[Entity] = []
        for event in call_events(participants, utterances, end_s=end_s):
            step = self._engine.feed(state, event)
            state = step.state
            entities += step.entities
            hits.update({hit.id: hit for hit in step.hits})
        kept = (
            hit
            for hit in hits.values()
            if hit.rule_id in self._in_report and hit.state is not HitState.RETRACTED
        )
        return Judgement(
            hits=tuple(sorted(kept, key=lambda hit: (hit.span, hit.rule_id, hit.id))),
            entities=tuple(entities),
        )
