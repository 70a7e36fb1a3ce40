"""Tables of the audit trail: the chained rows, where the chain stands, and its signed heads.

Rows are added and never changed: nothing that deletes or rewrites rows may touch these tables, or
the chain would break where it did. They hold nobody's data but that of staff.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text

from storage.columns import UtcDateTime
from storage.tables import METADATA

TRAIL = Table(
    "trail",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("room_sid", Text),
    Column("subject", Text),
    Column("detail", Text, nullable=False),  # text, since the hash is over these very characters
    Column("prev_hash", Text, nullable=False, unique=True),  # two rows cannot follow one
    Column("hash", Text, nullable=False, unique=True),
)
Index("ix_trail_actor", TRAIL.c.actor, TRAIL.c.seq)
Index("ix_trail_action", TRAIL.c.action, TRAIL.c.seq)
Index("ix_trail_call", TRAIL.c.room_sid, TRAIL.c.seq)

# One row: what is appended to, and the lock of whoever appends.
TRAIL_CHAIN = Table(
    "trail_chain",
    METADATA,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("chain_id", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("last_seq", BigInteger, nullable=False),  # 0 before the first entry
    Column("last_hash", Text, nullable=False),
    CheckConstraint("slot = 1", name="ck_trail_chain_one"),
)

# A head is noted here before it is stored, so that several who anchor at once make one row of heads
# and whoever dies in between is gone on for.
TRAIL_HEADS = Table(
    "trail_heads",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("object_key", Text, nullable=False),
    Column("document", Text, nullable=False),  # what is stored, to the letter
    Column("head_hash", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime),
)

# What retention and erasure leave alone.
CHAINED = frozenset({TRAIL.name, TRAIL_CHAIN.name, TRAIL_HEADS.name})
