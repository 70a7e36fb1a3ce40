"""Rules as the engine runs them: their conditions, and the listeners that these ask for."""

from __future__ import annotations

from collections.abc import Collection

from rules import streets
from rules.codes import CodeListener
from rules.entities import NAME_TYPES
from rules.lemmas import lemma
from rules.names import NameListener
from rules.numbers import NumberListener
from rules.phrases import PhraseMatcher
from rules.plan import planned
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder, examples_of
from rules.topics import topic_patterns
from rules.trace import Trace
from rules.written import WrittenListener

MIN_REPORTED_SCORE = 0.5  # of what no rule asks for
TOPIC_OWNER = -1  # whose phrases say what the talk is about


class Compiled:
    """What does not change from call to call; the parameters are the engine's."""

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        timeline: bool,
        statuses: Collection[RuleStatus],
        entities: Collection[str],
        trace: Trace | None,
        embedder: Embedder | None,
    ) -> None:
        self.trace = trace
        self.plan = planned(
            [rule for rule in rulebook.rules if rule.status in statuses], timeline=timeline
        )
        self.thresholds = dict.fromkeys(entities, MIN_REPORTED_SCORE)
        for name, score in self.plan.thresholds.items():
            self.thresholds[name] = min(score, self.thresholds.get(name, 1.0))
        self.matcher = PhraseMatcher(
            [*topic_patterns(TOPIC_OWNER), *self.plan.patterns],
            lemma if self.plan.has_lemmas else None,
        )
        self.numbers = NumberListener(frozenset(self.thresholds))
        self.written = WrittenListener(frozenset(self.thresholds))
        self.codes = CodeListener(frozenset(self.thresholds))
        self.has_streets = streets.ENTITY in self.thresholds
        self.has_names = not NAME_TYPES.isdisjoint(self.thresholds)
        self.hears_all = self.has_streets or self.has_names
        self.names = NameListener(frozenset(self.thresholds))
        self.examples = examples_of(self.plan, embedder)
