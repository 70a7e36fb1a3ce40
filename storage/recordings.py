"""The recordings that are known, by object key."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import Connection, select

from storage.manifest import Recording
from storage.tables import RECORDINGS
from storage.upsert import upsert


def save_recording(connection: Connection, recording: Recording) -> None:
    """Insert a recording, or overwrite what was known of it.

    A hash and a room time that are known are not forgotten over a manifest that lacks them.
    """
    row = {field.name: getattr(recording, field.name) for field in fields(Recording)}
    upsert(connection, RECORDINGS, row, keep=("sha256", "call_started_at"))


def get_recording(connection: Connection, object_key: str) -> Recording | None:
    """The recording under a key, None where it is not known."""
    row = (
        connection.execute(select(RECORDINGS).where(RECORDINGS.c.object_key == object_key))
        .mappings()
        .one_or_none()
    )
    return Recording(**row) if row else None


def recordings_of(connection: Connection, room_sid: str) -> tuple[Recording, ...]:
    """The recordings of a call, in order of their beginning."""
    rows = connection.execute(
        select(RECORDINGS)
        .where(RECORDINGS.c.room_sid == room_sid)
        .order_by(RECORDINGS.c.started_at, RECORDINGS.c.object_key)
    ).mappings()
    return tuple(Recording(**row) for row in rows)
