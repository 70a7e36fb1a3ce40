"""The newest records of a call, bounded; what had to go is counted."""

from __future__ import annotations

from collections import deque

from realtime.records import Record

MAX_KEPT = 500


class RecordBuffer:
    """Keeps the newest records for whoever comes later.

    Args:
        max_kept: Records that are kept at most; older ones give way.
    """

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._kept: deque[Record] = deque(maxlen=max_kept)
        self.n_dropped = 0  # records that gave way

    def add(self, record: Record) -> None:
        """Keep one more."""
        if len(self._kept) == self._kept.maxlen:
            self.n_dropped += 1
        self._kept.append(record)

    def newest(self) -> tuple[Record, ...]:
        """What is kept, oldest first."""
        return tuple(self._kept)
