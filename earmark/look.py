"""How one edge is found by `earmark doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How an edge stands."""

    OK = "ok"  # set up, and it works
    DEFAULT = "default"  # not set up; the embedded way is used, or the edge is off
    MISSING = "missing"  # needed, and not there
    BROKEN = "broken"  # set up or found, and it cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one edge was found. Safe to show: no secrets and no personal data."""

    state: State
    uses: str  # what would be used
    mend: str = ""  # what to do about it; "" = nothing need be done

    @property
    def is_fine(self) -> bool:
        """Whether nothing that is needed or set up fails here."""
        return self.state in {State.OK, State.DEFAULT}
