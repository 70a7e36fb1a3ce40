"""Steps that happen one after another."""

from __future__ import annotations

from rules.conditions import SequenceCondition, Step
from rules.watchers.occurrence import Occurrence, merged
from rules.watchers.watcher import MAX_KEPT, Context, Memory, Outcome, Quiet

Run = tuple[Occurrence, ...]  # the steps that have happened


class SequenceWatcher(Quiet):
    """Follows every start of the sequence until a later step completes it."""

    def __init__(self, condition: SequenceCondition) -> None:
        self._steps = condition.steps

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Take a step; the latest run that it fits is the one that goes on."""
        runs: tuple[Run, ...] = memory or ()
        step = self._steps[slot]
        if not context.may_be(occurrence.speaker, step.said_by):
            return runs, ()
        if slot == 0:
            return (*runs, (occurrence,))[-MAX_KEPT:], ()
        for run in reversed(runs):
            if len(run) != slot or not _follows(step, run[-1], occurrence):
                continue
            grown = (*run, occurrence)
            if len(grown) == len(self._steps):
                whole = merged(grown[-1], grown[:-1], at_s=max(o.at_s for o in grown))
                return (), (whole,)
            return (*(other for other in runs if other is not run), grown), ()
        return runs, ()


def _follows(step: Step, before: Occurrence, now: Occurrence) -> bool:
    same_speaker = before.speaker == now.speaker and before.first >= 0 and now.first >= 0
    if same_speaker and now.first <= before.last:
        return False
    if not same_speaker and now.span.start_s < before.span.start_s:
        return False
    if step.next_turn and now.turn != before.turn + 1:
        return False
    waited_s = now.span.start_s - before.span.end_s
    return step.within_s is None or waited_s <= step.within_s
