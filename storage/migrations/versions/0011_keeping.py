"""Legal holds, a ledger of what was deleted, and receipts of erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", _time(), nullable=False),
        sa.Column("released_by", sa.Text()),
        sa.Column("released_at", _time()),
        sa.Column("release_reason", sa.Text()),
        sa.PrimaryKeyConstraint("hold_id", name="pk_holds"),
    )
    op.create_index("ix_holds_room_sid", "holds", ["room_sid"])
    op.create_table(
        "deletions",
        sa.Column("deletion_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text()),
        sa.Column("object_key", sa.Text()),
        sa.Column("sha256", sa.Text()),
        sa.Column("n_items", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("erasure_id", sa.Text()),
        sa.Column("noted_at", _time(), nullable=False),
        sa.Column("done_at", _time()),
        sa.PrimaryKeyConstraint("deletion_id", name="pk_deletions"),
    )
    op.create_index("ix_deletions_room_sid", "deletions", ["room_sid"])
    op.create_index("ix_deletions_erasure_id", "deletions", ["erasure_id"])
    is_open = sa.text("done_at IS NULL")
    op.create_index(
        "ix_deletions_open",
        "deletions",
        ["noted_at"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Text(), nullable=False),
        sa.Column("subject_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("finished_at", _time()),
        sa.Column("counts", _JSON),
        sa.Column("left_behind", _JSON),
        sa.PrimaryKeyConstraint("erasure_id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_subject_hash", "erasures", ["subject_hash"])


def downgrade() -> None:
    """Remove the tables; holds that are in force are forgotten with them."""
    op.drop_table("erasures")
    op.drop_table("deletions")
    op.drop_table("holds")
