"""Which kinds of personal data can be found, named as Presidio names them where it has a name."""

from __future__ import annotations

from rules.detectors import card, ssn

ENTITY_TYPES: frozenset[str] = frozenset({card.ENTITY, ssn.ENTITY})
