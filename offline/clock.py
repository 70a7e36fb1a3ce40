"""The call clock on the audit's side: the one place where recordings are put on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rules.types import Span

# No word is shorter; recognisers sometimes write one that ends where it begins.
MIN_SPAN_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingClock:
    """Puts positions of one recording on the call clock."""

    offset_s: float  # call-clock position of the first sample, never below 0

    @classmethod
    def of_recording(cls, started_at: datetime, call_started_at: datetime) -> RecordingClock:
        """The clock of a recording within a call.

        A start that lies before the creation of the room is two machines' clocks apart, not a
        recording of the future: it counts as the creation.

        >>> from datetime import UTC, datetime
        >>> call = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)
        >>> RecordingClock.of_recording(call.replace(second=4), call).offset_s
        4.0
        """
        return cls(offset_s=max(0.0, (started_at - call_started_at).total_seconds()))

    def span(self, start_s: float, end_s: float) -> Span:
        """An interval of the recording, on the call clock; never empty, never before 0."""
        begin_s = max(0.0, start_s + self.offset_s)
        return Span(begin_s, max(begin_s + MIN_SPAN_S, end_s + self.offset_s))


# A file without a call: its first sample is the beginning of everything.
FILE_CLOCK = RecordingClock(offset_s=0.0)
