"""What the engine and the watchers know of each other."""

from __future__ import annotations

from typing import Any, Protocol

from rules.conduct import Conduct
from rules.types import Role
from rules.watchers.occurrence import Occurrence

MAX_KEPT = 16  # occurrences that a watcher remembers of each part

Memory = Any  # a frozen value of the watcher's own; None at the start of a call
Outcome = tuple[Memory, tuple[Occurrence, ...]]


class Context(Protocol):
    """What a watcher may ask about the call."""

    first_speech_s: float | None
    conduct: Conduct

    def may_be(self, speaker: str | None, roles: tuple[Role, ...]) -> bool:
        """Whether a speaker has one of the roles, or a role that nobody knows."""


class Watcher(Protocol):
    """Looks at one condition that has parts, or that waits."""

    on_time: bool  # wants `pass_time` with every silence
    on_words: bool  # wants `pass_word` while it remembers something

    def take(self, memory: Memory, slot: int, occurrence: Occurrence, context: Context) -> Outcome:
        """Learn that a part found something."""

    def pass_time(
        self, memory: Memory, until_s: float, context: Context, *, ended: bool
    ) -> Outcome:
        """Learn that everything before `until_s` has been heard."""

    def pass_word(
        self, memory: Memory, speaker: str | None, ordinal: int, start_s: float
    ) -> Outcome:
        """Learn that a speaker goes on with this word."""


class Quiet:
    """The answers of a watcher that waits for nothing."""

    on_time = False
    on_words = False

    def pass_time(
        self, memory: Memory, until_s: float, context: Context, *, ended: bool
    ) -> Outcome:
        """Nothing changes with time."""
        return memory, ()

    def pass_word(
        self, memory: Memory, speaker: str | None, ordinal: int, start_s: float
    ) -> Outcome:
        """Nothing changes with words that no part looks for."""
        return memory, ()
