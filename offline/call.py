"""The call to be audited, as the finder hands it over: its audio, its people, what live heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from offline.clock import RecordingClock
from rules.types import Hit, Role, Span
from storage.egress_claims import EgressClaim
from storage.egresses import Egress
from storage.gaps import Gap

# The speaker of a mix, as long as nobody has told its voices apart.
UNKNOWN = "unknown"
DELETED = "deleted_"  # begins the problem of a source that was deleted on purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One audio file of a call, and what was promised of it."""

    id: str  # unique within the call, no personal data: a track id, or F1, F2, ...
    name: str = field(repr=False)  # object key, or the file's name
    path: Path | None  # a local file; None where it lies in the object store
    sha256: str | None  # promised; None where nobody did
    size_bytes: int | None  # None = it is not there
    speakers: tuple[str, ...] = field(repr=False)  # one a channel, or one for all channels
    clock: RecordingClock
    duration_s: float | None  # promised; None where nobody did
    recorder: Literal["egress", "earmark", "file"]
    # Why it cannot be used, a code: "manifest_unreadable", or "deleted_" and the reason.
    problem: str | None = None
    # Several people who were recorded together; `speakers` has one name for whoever they are.
    is_mix: bool = False

    @property
    def is_there(self) -> bool:
        """Whether there is something to read."""
        return self.size_bytes is not None and self.problem is None

    @property
    def is_deleted(self) -> bool:
        """Whether it was deleted on purpose: see `storage.deletion_marks`."""
        return self.problem is not None and self.problem.startswith(DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who was on the call."""

    identity: str = field(repr=False)
    role: Role | None
    joined_s: float
    left_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSide:
    """What the live side knows of the call."""

    hits: tuple[Hit, ...]
    raised_at: Mapping[str, datetime]  # by hit id, UTC
    gaps: tuple[Gap, ...]
    rulebook_fingerprint: str | None
    joined_s: float | None  # call clock
    # Who spoke when, call clock; without words.
    speech: tuple[tuple[str, Span], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """All that goes into one audit, but the rules and the models."""

    room_sid: str
    room_name: str | None = field(repr=False)
    source: Literal["livekit", "replay", "files"]
    started_at: datetime | None  # UTC; None for files, which don't say
    ended_s: float | None  # call clock; None where nobody saw the end
    day: date  # where the report goes
    sources: tuple[Source, ...]
    members: tuple[Member, ...]
    live: LiveSide | None  # None where nobody listened live
    egresses: tuple[Egress, ...] = ()  # how Egress's recordings stand
    claims: tuple[EgressClaim, ...] = ()  # what Egress was to record

    def recordings_end_s(self) -> float:
        """Where, by what was promised, the last recording ends."""
        return max(
            (source.clock.offset_s + (source.duration_s or 0.0) for source in self.sources),
            default=0.0,
        )


def covers(spans: tuple[Span, ...], wanted: Span, *, share_ratio: float = 0.5) -> bool:
    """Whether spans that don't overlap each other cover that share of the wanted one."""
    covered_s = sum(span.overlap_s(wanted) for span in spans)
    return covered_s >= share_ratio * wanted.duration_s
