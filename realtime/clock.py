"""The call clock on the live side: the one place where wall time becomes seconds of a call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells how far a call has come, in seconds on the call clock."""

    def now_s(self) -> float:
        """Seconds since the call began, never below 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClock:
    """Seconds since a room was created, by this machine's monotonic clock.

    Wall time is read once, so a step of the system clock during a call moves nothing. The room's
    creation comes from the LiveKit server: both machines are expected to keep time by NTP.
    """

    call_started_at: datetime
    offset_s: float  # what must be added to the monotonic clock

    @classmethod
    def start(cls, call_started_at: datetime) -> CallClock:
        """Anchor a clock now."""
        since_start_s = (datetime.now(UTC) - call_started_at).total_seconds()
        return cls(call_started_at=call_started_at, offset_s=since_start_s - time.monotonic())

    def now_s(self) -> float:
        """Seconds since the room was created."""
        return max(0.0, time.monotonic() + self.offset_s)

    def at(self, position_s: float) -> datetime:
        """Wall time, UTC, of a position on the call clock."""
        return self.call_started_at + timedelta(seconds=position_s)


class PacedClock:
    """The clock of a replay that runs at a fixed multiple of real time."""

    def __init__(self, speed_ratio: float) -> None:
        self._speed_ratio = speed_ratio
        self._began_s = time.monotonic()

    def now_s(self) -> float:
        """Seconds of stream time that have gone by."""
        return (time.monotonic() - self._began_s) * self._speed_ratio


class VirtualClock:
    """The clock of a replay that runs as fast as it can, yet tells live delays.

    It moves with the audio that has been heard, and every piece of speech adds the time that its
    recognition really took, as one recogniser would have added it live.
    """

    def __init__(self) -> None:
        self._heard_s = 0.0
        self._busy_until_s = 0.0

    def heard(self, until_s: float) -> None:
        """All audio before `until_s` has come in."""
        self._heard_s = max(self._heard_s, until_s)

    def worked(self, elapsed_s: float) -> None:
        """The recogniser was busy for so long, from now or from when it came free."""
        self._busy_until_s = max(self._busy_until_s, self._heard_s) + elapsed_s

    def is_free(self) -> bool:
        """Whether the recogniser would have nothing to do now."""
        return self._busy_until_s <= self._heard_s

    def now_s(self) -> float:
        """When the latest result would have been there."""
        return max(self._heard_s, self._busy_until_s)


def call_start(*, creation_time_s: int, creation_time_ms: int) -> datetime:
    """When a room was created, from the two fields that LiveKit has for it."""
    if creation_time_ms:
        return datetime.fromtimestamp(creation_time_ms / 1000, UTC)
    if creation_time_s:
        return datetime.fromtimestamp(creation_time_s, UTC)
    return datetime.now(UTC)  # a server that does not say: the call begins when it is observed
