"""One transaction after the other on a call."""

from __future__ import annotations

from sqlalchemy import Connection, text


def lock_call(connection: Connection, room_sid: str) -> None:
    """Let all who change a call, hold it or delete of it take turns, to the transaction's end."""
    if connection.dialect.name == "postgresql":  # on SQLite, whoever writes is alone
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:sid, 0))"), {"sid": room_sid}
        )
