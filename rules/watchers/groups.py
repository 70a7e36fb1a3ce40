"""Conditions made of others: any, all with not, near, count."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rules.conditions import (
    AllCondition,
    AnyCondition,
    CountCondition,
    NearCondition,
    NotCondition,
    Side,
)
from rules.phrases import MAX_PAUSE_S
from rules.watchers.occurrence import Occurrence, merged
from rules.watchers.watcher import MAX_KEPT, Context, Memory, Outcome, Quiet

Slots = tuple[tuple[Occurrence, ...], ...]


class AnyWatcher(Quiet):
    """Passes on what any part found."""

    def __init__(self, condition: AnyCondition) -> None:
        self._condition = condition

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Pass it on."""
        return memory, (occurrence,)


class NearWatcher(Quiet):
    """Puts together what one speaker said within few words or seconds."""

    def __init__(self, condition: NearCondition) -> None:
        self._condition = condition

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Look for the latest of every part around this one."""
        slots = _added(memory or ((),) * len(self._condition.of), slot, occurrence)
        found = [occurrence]
        for i, known in enumerate(slots):
            if i == slot:
                continue
            fitting = [o for o in known if self._fits([*found, o])]
            if not fitting:
                return slots, ()
            found.append(fitting[-1])
        rest = tuple(tuple(o for o in known if o not in found) for known in slots)
        return rest, (merged(found[0], found[1:], at_s=max(o.at_s for o in found)),)

    def _fits(self, found: list[Occurrence]) -> bool:
        if any(o.speaker != found[0].speaker or o.first < 0 for o in found):
            return False
        if self._condition.within_words is not None:
            n_words = max(o.last for o in found) - min(o.first for o in found)
            return n_words <= self._condition.within_words
        start_s = min(o.span.start_s for o in found)
        return max(o.span.end_s for o in found) - start_s <= (self._condition.within_s or 0.0)


@dataclass(frozen=True, slots=True)
class _AllMemory:
    slots: Slots
    nots: Slots
    pending: tuple[Occurrence, ...] = ()  # complete, but a `not` may still follow


class AllWatcher:
    """Puts together parts said by anybody, unless something takes them back."""

    def __init__(self, condition: AllCondition) -> None:
        self._condition = condition
        self._waits = [n for n in condition.unless if n.side is not Side.BEFORE]
        self.on_words = self.on_time = bool(self._waits)

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Take in a part; the slots of `not` come behind those of the parts."""
        n_parts = len(self._condition.of)
        known: _AllMemory = memory or _AllMemory(
            ((),) * n_parts, ((),) * len(self._condition.unless)
        )
        if slot >= n_parts:
            not_ = self._condition.unless[slot - n_parts]
            return replace(
                known,
                nots=_added(known.nots, slot - n_parts, occurrence),
                pending=tuple(o for o in known.pending if not _takes_back(not_, occurrence, o)),
            ), ()
        if self._taken_back(known, occurrence):
            return known, ()
        slots = _added(known.slots, slot, occurrence)
        slots = tuple(tuple(o for o in found if self._recent(o, occurrence)) for found in slots)
        if not all(slots):
            return replace(known, slots=slots), ()
        latest = [found[-1] for found in slots]
        whole = merged(latest[0], latest[1:], at_s=max(o.at_s for o in latest))
        emptied: Slots = ((),) * n_parts
        if self._waits:
            pending = (*known.pending, whole)[-MAX_KEPT:]
            return replace(known, slots=emptied, pending=pending), ()
        return replace(known, slots=emptied), (whole,)

    def _recent(self, known: Occurrence, new: Occurrence) -> bool:
        within_s = self._condition.within_s
        return within_s is None or known.span.hull(new.span).duration_s <= within_s

    def _taken_back(self, known: _AllMemory, occurrence: Occurrence) -> bool:
        return any(
            _takes_back(not_, said, occurrence)
            for not_, found in zip(self._condition.unless, known.nots, strict=True)
            for said in found
        )

    def pass_time(
        self, memory: Memory, until_s: float, context: Context, *, ended: bool
    ) -> Outcome:
        """Give out what nothing can take back any more."""
        if memory is None or not memory.pending:
            return memory, ()
        due = [o for o in memory.pending if ended or until_s > self._due_s(o)]
        left = tuple(o for o in memory.pending if o not in due)
        decided = tuple(replace(o, at_s=min(self._due_s(o), until_s)) for o in due)
        return replace(memory, pending=left), decided

    def _due_s(self, occurrence: Occurrence) -> float:
        waits = [MAX_PAUSE_S if n.within_s is None else n.within_s for n in self._waits]
        return occurrence.span.end_s + max(waits)

    def pass_word(
        self, memory: Memory, speaker: str | None, ordinal: int, start_s: float
    ) -> Outcome:
        """The same, when the speaker has said enough other words."""
        if memory is None or not memory.pending:
            return memory, ()
        if any(n.within_words is None for n in self._waits):
            return memory, ()
        n_words = max(n.within_words or 0 for n in self._waits)
        due: dict[Occurrence, float] = {}
        for o in memory.pending:
            if o.speaker != speaker:
                continue
            if start_s > self._due_s(o):
                due[o] = self._due_s(o)
            elif ordinal - o.last > n_words:
                due[o] = start_s
        left = tuple(o for o in memory.pending if o not in due)
        return replace(memory, pending=left), tuple(
            replace(o, at_s=at_s) for o, at_s in due.items()
        )


class CountWatcher(Quiet):
    """Counts what a part found within a window of time."""

    def __init__(self, condition: CountCondition) -> None:
        self._condition = condition

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Count one more."""
        who = occurrence.speaker if self._condition.same_speaker else None
        counted: dict[str | None, tuple[Occurrence, ...]] = dict(memory or ())
        found = (*counted.get(who, ()), occurrence)
        if self._condition.within_s is not None:
            since_s = occurrence.span.end_s - self._condition.within_s
            found = tuple(o for o in found if o.span.start_s >= since_s)
        found = found[-self._condition.at_least :]
        if len(found) < self._condition.at_least:
            counted[who] = found
            return tuple(counted.items()), ()
        counted[who] = ()
        whole = merged(found[-1], found[:-1], at_s=max(o.at_s for o in found))
        return tuple(counted.items()), (whole,)


def _added(slots: Slots, slot: int, occurrence: Occurrence) -> Slots:
    return tuple(
        (*found, occurrence)[-MAX_KEPT:] if i == slot else found for i, found in enumerate(slots)
    )


def _takes_back(not_: NotCondition, said: Occurrence, part: Occurrence) -> bool:
    """Whether something said close by takes a part back."""
    if not_.within_words is not None:
        ahead, behind = said.words_to(part), part.words_to(said)
        if ahead is None or behind is None:
            return False
        if said.first >= part.first and said.last <= part.last:
            return True
        limit: float = not_.within_words
        before, after = 0 < ahead <= limit, 0 < behind <= limit
    else:
        limit = not_.within_s or 0.0
        ahead_s = part.span.start_s - said.span.end_s
        behind_s = said.span.start_s - part.span.end_s
        if ahead_s < 0 and behind_s < 0:
            return True
        before, after = 0 <= ahead_s <= limit, 0 <= behind_s <= limit
    return (before and not_.side is not Side.AFTER) or (after and not_.side is not Side.BEFORE)
