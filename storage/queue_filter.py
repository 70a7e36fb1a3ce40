"""Which calls of the queue somebody wants to see, in which order, and where a page begins."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from rules.types import Severity
from storage.errors import ReviewError
from storage.queue_summary import Flagged, Status


class Shown(StrEnum):
    """What the queue shows by status: as stored, and who is at it now."""

    OPEN = Status.OPEN.value
    CLAIMED = "claimed"  # somebody is at it; it is none of the others meanwhile
    REVIEWED = Status.REVIEWED.value
    ESCALATED = Status.ESCALATED.value
    ADJUDICATION = Status.ADJUDICATION.value


class Sort(StrEnum):
    """In which order."""

    SEVERITY = "severity"  # worst first, of those the one that waits longest
    NEWEST = "newest"  # by the beginning of the call
    WAITING = "waiting"  # longest first


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which calls. What is None or empty leaves none out."""

    status: Shown | None = Shown.OPEN
    rule_id: str | None = None
    min_severity: Severity | None = None  # of the call's worst flag
    since: datetime | None = None  # UTC; by the beginning of the call
    until: datetime | None = None  # UTC, excluded
    flagged: Flagged | None = None  # whom a flag is about; with a rule, a flag of that rule
    disagrees: bool | None = None  # live side and audit; with a rule, about that rule
    assignee: str | None = None
    is_assigned: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Behind which row a page begins."""

    severity_rank: int
    at: datetime  # UTC; what the order goes by
    room_sid: str

    def to_text(self) -> str:
        """For an address; ids and times only."""
        parts = [self.severity_rank, self.at.isoformat(), self.room_sid]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Cursor:
        """What `to_text` wrote.

        Raises:
            ReviewError: it is something else.
        """
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            rank, at, room_sid = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if type(rank) is not int or not isinstance(room_sid, str):
                raise ValueError
            return cls(
                severity_rank=rank,
                at=datetime.fromisoformat(at).astimezone(UTC),
                room_sid=room_sid,
            )
        except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
            raise ReviewError("the page's place in the queue cannot be read; start anew") from None
