"""Rules on trial: they run on live calls beside those in force, and raise no alert."""

from __future__ import annotations

from rules.engine import Engine
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder

# What a live call is listened to for: rules in force, and rules on trial.
LIVE_STATUSES = (RuleStatus.ACTIVE, RuleStatus.SHADOW)


def trial_engine(rulebook: Rulebook, embedder: Embedder | None) -> Engine | None:
    """The engine of a rule book's shadow rules; None where it has no live ones.

    They have an engine of their own, so that a rule on trial can change nothing of what the rules
    in force find.

    Args:
        rulebook: The rules.
        embedder: Needed where one of them has a `similar` condition.
    """
    book = rulebook.for_live()
    if not any(rule.status is RuleStatus.SHADOW for rule in book.rules):
        return None
    return Engine(book, statuses=(RuleStatus.SHADOW,), embedder=embedder)
