"""Which kinds of personal data can be found, named as Presidio names them where it has a name."""

from __future__ import annotations

from rules import codes, names, streets, written
from rules.detectors import card, ssn
from rules.types import Entity

ENTITY_TYPES: frozenset[str] = (
    frozenset({card.ENTITY, ssn.ENTITY, streets.ENTITY}) | written.ENTITIES | codes.ENTITIES
)

NAME_TYPES: frozenset[str] = names.ENTITIES  # found by a model, and only where a rule asks
KNOWN_TYPES: frozenset[str] = ENTITY_TYPES | NAME_TYPES

_EXCERPTS = {card.ENTITY: card.excerpt, ssn.ENTITY: ssn.excerpt}
MAX_DOTS = 12


def excerpt_of(entity: Entity) -> str:
    """What may be shown of a value: of a card its last four digits, else only that there is one."""
    shown = _EXCERPTS.get(entity.type)
    return "•" * min(MAX_DOTS, len(entity.value)) if shown is None else shown(entity.value)
