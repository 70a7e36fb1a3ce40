"""What an erasure is asked to do, what it needs of other rooms, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from storage.erasure_person import Person

OnObject = Callable[[str, str], None]  # what is done, and to which key
# Silences spans, (start_s, end_s), of a sound file, given its bytes and its key.
Silence = Callable[[bytes, str, Sequence[tuple[float, float]]], bytes]


class Mixed(StrEnum):
    """What to do with recordings that hold other people, too."""

    REDACT = "redact"  # silence where the person speaks
    DELETE = "delete"
    KEEP = "keep"


class Reports(Protocol):
    """What is known of reports, which this room does not write."""

    def rewrite(self, data: bytes, person: Person, pseudonym: str) -> tuple[bytes, bytes] | None:
        """A report without the person, as JSON and as page; None where that cannot be done."""

    def speech(
        self, data: bytes, person: Person, recording: str
    ) -> tuple[tuple[float, float], ...] | None:
        """Where the person speaks in a recording, (start_s, end_s) of its file; None = unknown."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """What an erasure would do, or did."""

    calls: set[str] = field(default_factory=set)
    held_calls: set[str] = field(default_factory=set)
    mixed: list[str] = field(default_factory=list)  # keys of recordings of several people
    kept: list[str] = field(default_factory=list)  # those of them that were to be kept
    erased: dict[str, str] = field(default_factory=dict)  # key to reason
    rewritten: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)  # key to why
    waiting_calls: set[str] = field(default_factory=set)  # a recording of the person's is left
    audit_again: set[str] = field(default_factory=set)
    rows: dict[str, int] = field(default_factory=dict)  # by table
    n_trail_entries: int = 0  # that name the person: they stay, or the chain would break

    @property
    def is_something_left(self) -> bool:
        """Whether anything of the person stays."""
        return bool(self.held_calls or self.left or self.kept or self.n_trail_entries)

    def add_rows(self, counts: dict[str, int]) -> None:
        """Take in rows that were removed or changed."""
        for name, n in counts.items():
            self.rows[name] = self.rows.get(name, 0) + n
