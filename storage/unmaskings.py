"""What may be seen or heard unmasked: by one session, of one call, for a quarter of an hour.

A grant is a row, so that it holds in every process of the console. It ends by itself, with its
session, or when the person covers the call again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, select

from storage.unmask_tables import UNMASKINGS
from storage.upsert import upsert

GRANT_TIME = timedelta(minutes=15)


class Unmasked(StrEnum):
    """What is laid open."""

    TEXT = "text"
    AUDIO = "audio"


def grant(
    connection: Connection, *, session_hash: str, room_sid: str, what: Unmasked, now: datetime
) -> datetime:
    """Lay text or sound of a call open to a session; write it into the trail with it.

    Args:
        connection: In the transaction that writes the trail.
        session_hash: As in `console_sessions`.
        room_sid: The call.
        what: Text or sound.
        now: UTC.

    Returns:
        Until when.
    """
    connection.execute(delete(UNMASKINGS).where(UNMASKINGS.c.until <= now))
    until = now + GRANT_TIME
    upsert(
        connection,
        UNMASKINGS,
        {"session_hash": session_hash, "room_sid": room_sid, "what": what.value, "until": until},
    )
    return until


def granted_until(
    connection: Connection, *, session_hash: str, room_sid: str, what: Unmasked, now: datetime
) -> datetime | None:
    """Until when a session sees or hears a call unmasked; None = it does not."""
    until = connection.execute(
        select(UNMASKINGS.c.until).where(
            UNMASKINGS.c.session_hash == session_hash,
            UNMASKINGS.c.room_sid == room_sid,
            UNMASKINGS.c.what == what.value,
        )
    ).scalar_one_or_none()
    return until if until is not None and until > now else None


def withdraw(connection: Connection, *, session_hash: str, room_sid: str) -> int:
    """Cover a call again, text and sound; gives how many grants there were."""
    return connection.execute(
        delete(UNMASKINGS).where(
            UNMASKINGS.c.session_hash == session_hash, UNMASKINGS.c.room_sid == room_sid
        )
    ).rowcount
