"""Tables of who is signed in at the console, and of links that sign somebody in once.

Tokens stand here as SHA-256 only: whoever reads the database cannot use them.
"""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from storage.columns import JsonColumn, UtcDateTime
from storage.tables import METADATA

CONSOLE_SESSIONS = Table(
    "console_sessions",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("person_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("roles", JsonColumn, nullable=False),
    Column("signed_in_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

CONSOLE_LINKS = Table(
    "console_links",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("person_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("roles", JsonColumn, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)
