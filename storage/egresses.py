"""Recordings by Egress: how each one stands, by webhooks, listings, or what lies in the store."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from storage.manifest import Recording
from storage.recordings import save_recording
from storage.tables import EGRESS_CLAIMS, EGRESSES
from storage.upsert import insert_if_new, upsert


class EgressStatus(StrEnum):
    """LiveKit's states of an egress, and one of ours."""

    STARTING = "starting"
    ACTIVE = "active"
    ENDING = "ending"
    COMPLETE = "complete"
    FAILED = "failed"
    ABORTED = "aborted"  # ended before anything was recorded
    LIMIT_REACHED = "limit_reached"  # the file is whole, and ends before the call does
    LOST = "lost"  # ours: its room is over, and nobody says what became of it

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to come."""
        return self not in {self.STARTING, self.ACTIVE, self.ENDING}


# How far an egress has come; an event that tells of an earlier state came late. That an egress was
# lost is a guess of ours, so whatever its end really was takes its place.
_RANKS = {
    EgressStatus.STARTING: 0,
    EgressStatus.ACTIVE: 1,
    EgressStatus.ENDING: 2,
    EgressStatus.LOST: 3,
}
_FINAL_RANK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """One recording that Egress makes or made. What is not known yet is None."""

    egress_id: str
    room_sid: str
    room_name: str = field(repr=False)
    track_id: str | None  # None for a mix
    status: EgressStatus
    updated_at: datetime  # UTC, by Egress's clock
    error_code: int | None = None
    object_key: str | None = None
    started_at: datetime | None = None  # UTC, of the file's first sample
    ended_at: datetime | None = None  # UTC
    duration_s: float | None = None
    size_bytes: int | None = None
    problem: str | None = None  # of the object: "missing", "size_differs", "sha256_differs"


def save_egress(connection: Connection, told: Egress) -> bool:
    """Take in what is told of an egress, in whatever order it comes.

    A later state is not undone by an earlier one, and what is known is not forgotten. An egress
    that has ended with a file becomes a recording, in the same transaction.

    Args:
        connection: In a transaction that may write.
        told: By a webhook or a listing. Its `problem` is not looked at.

    Returns:
        Whether it was news.
    """
    is_new = insert_if_new(connection, EGRESSES, _row(told))
    # Two webhooks about one egress may be taken in at once.
    known = _select(connection, EGRESSES.c.egress_id == told.egress_id, lock=True)[0]
    merged = _merged(known, told)
    if merged != known:
        upsert(connection, EGRESSES, _row(merged))
    if is_new or merged != known:
        _save_recording(connection, merged)
    return is_new or merged.status is not known.status


def note_problem(connection: Connection, egress_id: str, problem: str | None) -> None:
    """Note what is wrong with an egress's object; None = nothing."""
    connection.execute(
        update(EGRESSES).where(EGRESSES.c.egress_id == egress_id).values(problem=problem)
    )


def note_lost(connection: Connection, egress_id: str) -> None:
    """Note that nobody says what became of an egress."""
    connection.execute(
        update(EGRESSES)
        .where(EGRESSES.c.egress_id == egress_id)
        .values(status=EgressStatus.LOST.value)
    )


def egresses_of(connection: Connection, room_sid: str) -> tuple[Egress, ...]:
    """The egresses of a call, by track and id."""
    found = _select(connection, EGRESSES.c.room_sid == room_sid)
    return tuple(sorted(found, key=lambda egress: (egress.track_id or "", egress.egress_id)))


def egresses_since(connection: Connection, since: datetime) -> tuple[Egress, ...]:
    """The egresses of which something was told at `since` or later, and those still open."""
    open_ = EGRESSES.c.status.in_([status.value for status in EgressStatus if not status.is_final])
    return tuple(_select(connection, (EGRESSES.c.updated_at >= since) | open_))


def _merged(known: Egress, told: Egress) -> Egress:
    newer, older = (told, known) if _is_newer(told, known) else (known, told)
    values: dict[str, Any] = {}
    for name in Egress.__dataclass_fields__:
        newest = getattr(newer, name)
        values[name] = getattr(older, name) if newest is None else newest
    return Egress(
        **values | {"problem": known.problem, "room_name": newer.room_name or older.room_name}
    )


def _is_newer(told: Egress, known: Egress) -> bool:
    return (_rank(told.status), told.updated_at) > (_rank(known.status), known.updated_at)


def _rank(status: EgressStatus) -> int:
    return _RANKS.get(status, _FINAL_RANK)


def _save_recording(connection: Connection, egress: Egress) -> None:
    if not (
        egress.status.is_final
        and egress.object_key is not None
        and egress.started_at is not None
        and egress.ended_at is not None
        and egress.duration_s
    ):
        return
    claim = connection.execute(
        select(EGRESS_CLAIMS.c.identity).where(
            EGRESS_CLAIMS.c.room_sid == egress.room_sid, EGRESS_CLAIMS.c.track_id == egress.track_id
        )
    ).scalar()
    save_recording(
        connection,
        Recording(
            object_key=egress.object_key,
            sha256=None,
            egress_id=egress.egress_id,
            room_sid=egress.room_sid,
            room_name=egress.room_name,
            identity=claim,  # the manifest knows it where nobody claimed the track
            track_id=egress.track_id,
            track_source=None,
            started_at=egress.started_at,
            ended_at=egress.ended_at,
            duration_s=egress.duration_s,
            call_started_at=None,
            recorder="egress",
        ),
    )


def _row(egress: Egress) -> dict[str, object]:
    row: dict[str, object] = {each.name: getattr(egress, each.name) for each in fields(Egress)}
    return row | {"status": egress.status.value}


def _select(
    connection: Connection, where: ColumnElement[bool], *, lock: bool = False
) -> list[Egress]:
    statement = select(EGRESSES).where(where).order_by(EGRESSES.c.egress_id)
    rows = connection.execute(statement.with_for_update() if lock else statement).mappings()
    return [Egress(**{**row, "status": EgressStatus(row["status"])}) for row in rows]
