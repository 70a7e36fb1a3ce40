"""The recordings that are known, by object key."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, select

from storage.manifest import Recording
from storage.tables import RECORDINGS
from storage.upsert import upsert

# What one source does not know of a recording, and another may have said.
_KEPT = ("sha256", "call_started_at", "identity", "track_id", "track_source")


def save_recording(connection: Connection, recording: Recording) -> None:
    """Insert a recording, or overwrite what was known of it.

    A hash, a room time, or whose track it is are not forgotten over a source that lacks them.
    """
    row = {field.name: getattr(recording, field.name) for field in fields(Recording)}
    upsert(connection, RECORDINGS, row, keep=_KEPT)


def get_recording(connection: Connection, object_key: str) -> Recording | None:
    """The recording under a key, None where it is not known."""
    row = (
        connection.execute(select(RECORDINGS).where(RECORDINGS.c.object_key == object_key))
        .mappings()
        .one_or_none()
    )
    return Recording(**row) if row else None


def recordings_since(connection: Connection, since: datetime) -> tuple[Recording, ...]:
    """The recordings that began at `since` or later, in order of their beginning."""
    rows = connection.execute(
        select(RECORDINGS)
        .where(RECORDINGS.c.started_at >= since)
        .order_by(RECORDINGS.c.started_at, RECORDINGS.c.object_key)
    ).mappings()
    return tuple(Recording(**row) for row in rows)


def recordings_of(connection: Connection, room_sid: str) -> tuple[Recording, ...]:
    """The recordings of a call, in order of their beginning."""
    rows = connection.execute(
        select(RECORDINGS)
        .where(RECORDINGS.c.room_sid == room_sid)
        .order_by(RECORDINGS.c.started_at, RECORDINGS.c.object_key)
    ).mappings()
    return tuple(Recording(**row) for row in rows)
