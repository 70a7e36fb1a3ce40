"""Which kinds of personal data can be found, named as Presidio names them where it has a name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rules import codes, names, streets, written
from rules.detectors import card, date, ip, ssn
from rules.detectors.codes import SCORE_CHECKED
from rules.types import Entity

ENTITY_TYPES: frozenset[str] = (
    frozenset({card.ENTITY, ssn.ENTITY, streets.ENTITY}) | written.ENTITIES | codes.ENTITIES
)

NAME_TYPES: frozenset[str] = names.ENTITIES  # found by a model, and only where a rule asks
KNOWN_TYPES: frozenset[str] = ENTITY_TYPES | NAME_TYPES

# The best score that a value of each type can have: what asks for more finds nothing.
MAX_SCORES: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(KNOWN_TYPES, 1.0),
        **dict.fromkeys(codes.ENTITIES - written.ENTITIES, SCORE_CHECKED),
        **dict.fromkeys(names.ENTITIES, names.SCORE),
        streets.ENTITY: streets.SCORE_ANNOUNCED,
        ip.ENTITY: ip.SCORE,
        date.ENTITY: date.SCORE_DATE,
    }
)

_EXCERPTS = {card.ENTITY: card.excerpt, ssn.ENTITY: ssn.excerpt}
MAX_DOTS = 12


def excerpt_of(entity: Entity) -> str:
    """What may be shown of a value: of a card its last four digits, else only that there is one."""
    shown = _EXCERPTS.get(entity.type)
    return "•" * min(MAX_DOTS, len(entity.value)) if shown is None else shown(entity.value)
