"""Of finds that share characters, the surest one counts: a phone number is no part of a card."""

from __future__ import annotations

from collections.abc import Iterable

from rules.detectors import date
from rules.detectors.codes import COMPANIONS
from rules.types import Entity


def without_overlaps(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Keep the entity with the highest score where several share text; longer wins a tie."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=_rank):
        if not any(_overlap(entity, other) for other in kept):
            kept.append(entity)
    return tuple(sorted(kept, key=lambda entity: (entity.span.start_s, entity.span.end_s)))


def _rank(entity: Entity) -> tuple[float, int, float, str]:
    n_chars = sum(part.end_chars - part.start_chars for part in entity.parts)
    return (-entity.score, -n_chars, entity.span.start_s, entity.type)


def _overlap(one: Entity, other: Entity) -> bool:
    types = {one.type, other.type}
    if date.ENTITY in types and types & COMPANIONS:
        return False  # a birthday is a date, too
    return any(
        a.utterance_id == b.utterance_id
        and a.start_chars < b.end_chars
        and b.start_chars < a.end_chars
        for a in one.parts
        for b in other.parts
    )
