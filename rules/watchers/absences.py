"""Things that were not said in time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rules.conditions import AbsentCondition, Anchor
from rules.types import Span
from rules.watchers.occurrence import Occurrence
from rules.watchers.watcher import MAX_KEPT, Context, Memory, Outcome

WHAT, AFTER, UNLESS = 0, 1, 2  # the slots
MAX_SAID = 32
_EXCERPT = "What was required was not said in time."


@dataclass(frozen=True, slots=True)
class _Said:
    speaker: str | None
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class _AbsentMemory:
    said: tuple[_Said, ...] = ()
    lifted: tuple[_Said, ...] = ()
    triggers: tuple[Occurrence, ...] = ()  # whose deadlines are open, none within another's
    over: bool = False


class AbsentWatcher:
    """Waits for a deadline; fires when everything before it has been heard."""

    on_time = True
    on_words = False

    def __init__(self, condition: AbsentCondition) -> None:
        self._condition = condition

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Note what was said; the deadline decides whether it counts, when roles are known."""
        known: _AbsentMemory = memory or _AbsentMemory()
        if known.over:
            return known, ()
        said = _Said(occurrence.speaker, occurrence.span.start_s, occurrence.span.end_s)
        if slot == AFTER:
            if known.triggers and occurrence.span.end_s < self._due_s(known.triggers[-1]):
                return known, ()
            return replace(known, triggers=(*known.triggers, occurrence)[-MAX_KEPT:]), ()
        if slot == UNLESS:
            return replace(known, lifted=_kept(known.lifted, said)), ()
        return replace(known, said=_kept(known.said, said)), ()

    def pass_time(
        self, memory: Memory, until_s: float, context: Context, *, ended: bool
    ) -> Outcome:
        """Fire when the deadline has passed; a call that ends before it misses nothing."""
        known: _AbsentMemory = memory or _AbsentMemory()
        if self._condition.after is None:
            start_s = context.first_speech_s
            if self._condition.anchor is Anchor.CALL_START:
                start_s = 0.0
            if known.over or start_s is None or until_s < start_s + self._condition.within_s:
                return memory, ()
            return _AbsentMemory(over=True), self._judged(known, start_s, None, context)
        due = [each for each in known.triggers if until_s >= self._due_s(each)]
        if not due:
            return memory, ()
        found = [
            occurrence
            for each in due
            for occurrence in self._judged(known, each.span.end_s, each, context)
        ]
        return replace(known, triggers=known.triggers[len(due) :]), tuple(found)

    def _due_s(self, trigger: Occurrence) -> float:
        return trigger.span.end_s + self._condition.within_s

    def _judged(
        self, known: _AbsentMemory, start_s: float, trigger: Occurrence | None, context: Context
    ) -> tuple[Occurrence, ...]:
        deadline_s = start_s + self._condition.within_s
        if any(each.end_s <= deadline_s for each in known.lifted):
            return ()
        for each in known.said:
            in_time = each.end_s <= deadline_s and (trigger is None or each.start_s >= start_s)
            if in_time and context.may_be(each.speaker, self._condition.said_by):
                return ()
        return (
            Occurrence(
                speaker=trigger.speaker if trigger else None,
                span=Span(start_s, deadline_s),
                parts=trigger.parts if trigger else (),
                excerpt=_EXCERPT,
                at_s=deadline_s,
            ),
        )

    def pass_word(
        self, memory: Memory, speaker: str | None, ordinal: int, start_s: float
    ) -> Outcome:
        """Words alone move no deadline."""
        return memory, ()


def _kept(known: tuple[_Said, ...], said: _Said) -> tuple[_Said, ...]:
    """The first ones count for an anchor and the latest for a trigger, so both are kept."""
    if len(known) < MAX_SAID:
        return (*known, said)
    half = MAX_SAID // 2
    return (*known[:half], *known[half + 1 :], said)
