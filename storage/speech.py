"""Who spoke when on a call, as the live side heard it; no words."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select

from rules.types import Span
from storage.tables import SPEECH
from storage.upsert import upsert

# Of one call. Half a day of talk in pieces of two seconds; what comes after is not kept.
MOST_SPANS = 20_000


def save_speech(connection: Connection, room_sid: str, spoken: Sequence[tuple[str, Span]]) -> int:
    """Insert spans of speech by identity; one that begins where another did replaces it.

    Args:
        connection: In a transaction.
        room_sid: The call.
        spoken: Identities, and where they spoke, call clock.

    Returns:
        How many of them there was no room for.
    """
    n_there = connection.execute(
        select(func.count()).select_from(SPEECH).where(SPEECH.c.room_sid == room_sid)
    ).scalar_one()
    kept = spoken[: max(0, MOST_SPANS - n_there)]
    for identity, span in kept:
        row = {
            "room_sid": room_sid,
            "identity": identity,
            "start_s": round(span.start_s, 3),
            "end_s": round(span.end_s, 3),
        }
        upsert(connection, SPEECH, row)
    return len(spoken) - len(kept)


def speech_of(connection: Connection, room_sid: str) -> tuple[tuple[str, Span], ...]:
    """Who spoke when, in time order."""
    rows = connection.execute(
        select(SPEECH.c.identity, SPEECH.c.start_s, SPEECH.c.end_s)
        .where(SPEECH.c.room_sid == room_sid)
        .order_by(SPEECH.c.start_s, SPEECH.c.identity)
    )
    return tuple((identity, Span(start_s, end_s)) for identity, start_s, end_s in rows)


def forget_speech(connection: Connection, room_sid: str) -> None:
    """Remove who spoke when on a call."""
    connection.execute(delete(SPEECH).where(SPEECH.c.room_sid == room_sid))
