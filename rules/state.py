"""What the engine remembers of a call between two events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rules.conduct import Conduct
from rules.hearing import Hearing
from rules.hits import Past, Provisional
from rules.types import Participant


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that the engine remembers of a call. Immutable: keep one to come back to it."""

    speakers: Mapping[str | None, Hearing] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    participants: Mapping[str, Participant] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    first_speech_s: float | None = None
    turn: int = -1  # number of the present turn
    turn_of: str | None = None
    conduct: Conduct = field(default_factory=Conduct, repr=False)
    memories: Mapping[int, Any] = field(  # by node
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    past: Mapping[tuple[int, str | None], tuple[Past, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    provisional: tuple[Provisional, ...] = ()
    ended: bool = False
