"""What was not heard live, so that no report says "clean" of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection, select

from storage.tables import GAPS
from storage.upsert import upsert


class GapKind(StrEnum):
    """Why something was not heard, or not recorded."""

    DEAF_TRACK = "deaf_track"  # subscribed, but no frames came
    ENCRYPTED = "encrypted"  # end to end, without the key
    OVERLOAD = "overload"  # audio was dropped to keep up
    OBSERVER_LOST = "observer_lost"  # the observer died or was cut off
    LATE_JOIN = "late_join"  # the observer came after the call began
    NOT_RECORDED = "not_recorded"  # Egress did not take the track, whether it was heard or not
    UNOBSERVED = "unobserved"  # nobody came to observe, or nobody came back


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch of a call that was not heard."""

    room_sid: str
    identity: str | None = field(repr=False)  # None = everybody
    kind: GapKind
    start_s: float  # call clock
    end_s: float | None = None  # call clock; None = until the end, or not over yet
    detail: str | None = None  # a code, never what was said


def save_gap(connection: Connection, gap: Gap) -> None:
    """Insert a gap, or note the end of one that has the same participant, kind and start."""
    identifying = json.dumps([gap.room_sid, gap.identity, gap.kind.value, gap.start_s])
    row = {
        "gap_id": hashlib.sha256(identifying.encode()).hexdigest()[:32],
        "room_sid": gap.room_sid,
        "identity": gap.identity,
        "kind": gap.kind.value,
        "start_s": gap.start_s,
        "end_s": gap.end_s,
        "detail": gap.detail,
    }
    upsert(connection, GAPS, row, keep=("end_s", "detail"))


def gaps_of(connection: Connection, room_sid: str) -> tuple[Gap, ...]:
    """What was not heard of a call, in order of its beginning."""
    rows = connection.execute(
        select(GAPS).where(GAPS.c.room_sid == room_sid).order_by(GAPS.c.start_s, GAPS.c.gap_id)
    ).mappings()
    return tuple(
        Gap(
            room_sid=row["room_sid"],
            identity=row["identity"],
            kind=GapKind(row["kind"]),
            start_s=row["start_s"],
            end_s=row["end_s"],
            detail=row["detail"],
        )
        for row in rows
    )
