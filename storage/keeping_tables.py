"""Tables of what is held, what was deleted, and whose data was erased.

No row here holds an identity of a caller: keys of objects, session ids, counts and hashes only.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from storage.columns import JsonColumn, UtcDateTime
from storage.tables import METADATA

# Rows are added and released, never removed: who held what, and why, must be told for years.
HOLDS = Table(
    "holds",
    METADATA,
    Column("hold_id", Text, primary_key=True),
    Column("room_sid", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    Column("released_by", Text),
    Column("released_at", UtcDateTime),
    Column("release_reason", Text),
)

# Written before anything is deleted, closed afterwards: a row that is open is work to go on with.
DELETIONS = Table(
    "deletions",
    METADATA,
    Column("deletion_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # object, or rows of a call
    Column("cause", Text, nullable=False),  # retention, mark or erasure
    Column("reason", Text, nullable=False),  # a code
    Column("room_sid", Text, index=True),
    Column("object_key", Text),
    Column("sha256", Text),  # of the object, where it was known
    Column("n_items", Integer, nullable=False),  # versions of an object, or rows
    Column("size_bytes", BigInteger),  # of all versions
    Column("erasure_id", Text, index=True),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime),
)
_IS_OPEN = DELETIONS.c.done_at.is_(None)
Index(
    "ix_deletions_open",
    DELETIONS.c.noted_at,
    postgresql_where=_IS_OPEN,
    sqlite_where=_IS_OPEN,
)

ERASURES = Table(
    "erasures",
    METADATA,
    Column("erasure_id", Text, primary_key=True),
    Column("subject_hash", Text, nullable=False, index=True),  # keyed: tells nobody who it was
    Column("status", Text, nullable=False),  # running, done or partial
    Column("reason", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("counts", JsonColumn),
    Column("left_behind", JsonColumn),
)
