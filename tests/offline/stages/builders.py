"""A stage that counts, and what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from offline.stages.stage import OnProgress, Stage

FOLDER = "2026-03-01/RM_1/"


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Counted:
    """What `CountStage` makes."""

    n_chars: int
    shares: tuple[float, ...]
    text: str = field(repr=False)


class CountStage(Stage[str, Counted]):
    """Counts the characters of a text, and how often it was asked to."""

    name = "count"
    version = 1

    def __init__(self, *, engine: str = "abacus", is_final: bool = True) -> None:
        self.n_runs = 0
        self._engine = engine
        self._is_final = is_final

    @property
    def made(self) -> TypeAdapter[Counted]:
        return TypeAdapter(Counted)

    def inputs(self, given: str) -> Mapping[str, str]:
        return {"text": f"{len(given):064x}"}

    def settings(self, given: str) -> Mapping[str, object]:
        return {"engine": self._engine, "options": {"beads": 10}}

    def run(self, given: str, on_progress: OnProgress) -> Counted:
        self.n_runs += 1
        on_progress(1.0)
        return Counted(n_chars=len(given), shares=(0.1 + 0.2, 1 / 3), text=given)

    def is_final(self, made: Counted) -> bool:
        return self._is_final
