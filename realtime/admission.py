"""Which jobs a worker takes: one a room, and never more than it has room for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum, auto


class Admission(Enum):
    """The answer to a request."""

    ADMITTED = auto()
    FULL = auto()  # another worker may take it
    SECOND = auto()  # nobody must take it


class Doorkeeper:
    """Counts the rooms of one worker, those included whose jobs are still starting.

    LiveKit hands out jobs by a load that is half a second old, and a job counts as running only
    once its process was told of it. A burst gets past both; it does not get past this.

    Args:
        max_rooms: How many rooms there may be at once.
    """

    def __init__(self, max_rooms: int) -> None:
        self._max_rooms = max_rooms
        self._starting: list[str] = []

    def ask(self, room_sid: str, running: Collection[str]) -> Admission:
        """Whether a room may come in.

        Args:
            room_sid: The room.
            running: The rooms whose jobs run.
        """
        if room_sid in running or room_sid in self._starting:
            return Admission.SECOND
        # A job may be counted twice for a moment, as starting and as running.
        n_rooms = len(running) + sum(sid not in running for sid in self._starting)
        return Admission.FULL if n_rooms >= self._max_rooms else Admission.ADMITTED

    @contextmanager
    def starting(self, room_sid: str) -> Iterator[None]:
        """Keep a place while a job starts."""
        self._starting.append(room_sid)
        try:
            yield
        finally:
            self._starting.remove(room_sid)
