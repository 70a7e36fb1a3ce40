"""The table of what somebody may see and hear unmasked, for a while."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from storage.columns import UtcDateTime
from storage.tables import METADATA

# The session is known by the hash of its token, as in `console_sessions`. The reason stands in the
# trail, where nobody changes it.
UNMASKINGS = Table(
    "unmaskings",
    METADATA,
    Column("session_hash", Text, primary_key=True),
    Column("room_sid", Text, primary_key=True),
    Column("what", Text, primary_key=True),
    Column("until", UtcDateTime, nullable=False, index=True),
)
