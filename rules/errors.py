"""Errors of the rule language.

RulesError
├── SpanError            a time interval that is none
├── RuleLoadError        a pack or case file that cannot be loaded; holds every problem found
└── RuleInputError       text or segments handed to the engine that break its contract
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


class RulesError(Exception):
    """Base of everything that `rules` raises on purpose."""

    exit_code: ClassVar[int] = 2


class SpanError(RulesError, ValueError):
    """A time interval with an end before its start, a negative start, or not a number."""


class RuleInputError(RulesError, ValueError):
    """Input that breaks the engine's contract; the message names the record, never its text."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong in a rule or case file, and where."""

    path: Path
    line: int  # from 1
    column: int  # from 1
    message: str  # "problem; mend"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class RuleLoadError(RulesError):
    """Rules or cases that cannot be used; `problems` holds every one found, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
