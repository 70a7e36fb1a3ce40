"""The audit trail: chained rows, where the chain stands, and its signed heads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "trail",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _time(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_trail"),
        sa.UniqueConstraint("prev_hash", name="uq_trail_prev_hash"),
        sa.UniqueConstraint("hash", name="uq_trail_hash"),
    )
    op.create_index("ix_trail_at", "trail", ["at"])
    op.create_index("ix_trail_actor", "trail", ["actor", "seq"])
    op.create_index("ix_trail_action", "trail", ["action", "seq"])
    op.create_index("ix_trail_call", "trail", ["room_sid", "seq"])
    op.create_table(
        "trail_chain",
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_hash", sa.Text(), nullable=False),
        sa.CheckConstraint("slot = 1", name="ck_trail_chain_one"),
        sa.PrimaryKeyConstraint("slot", name="pk_trail_chain"),
    )
    op.create_table(
        "trail_heads",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("head_hash", sa.Text(), nullable=False),
        sa.Column("made_at", _time(), nullable=False),
        sa.Column("stored_at", _time()),
        sa.PrimaryKeyConstraint("seq", name="pk_trail_heads"),
    )


def downgrade() -> None:
    """Remove the tables; who saw what is forgotten with them."""
    op.drop_table("trail_heads")
    op.drop_table("trail_chain")
    op.drop_table("trail")
