"""Runs of the audit: who is at which call, which calls are poison, and which nights were run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns and make the table."""
    op.add_column("audits", sa.Column("owner", sa.Text()))
    op.add_column(
        "audits", sa.Column("faults", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.create_index("ix_audits_owner", "audits", ["owner"])
    op.create_table(
        "nights",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("n_shards", sa.Integer(), nullable=False),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("finished_at", _time()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("counts", _JSON),
        sa.PrimaryKeyConstraint("run_id", "day", name="pk_nights"),
    )
    op.create_index("ix_nights_day", "nights", ["day"])


def downgrade() -> None:
    """Remove both; a call that was poison is failed, as an older version knows it."""
    op.drop_table("nights")
    op.execute("UPDATE audits SET status = 'failed' WHERE status = 'poisoned'")
    op.drop_index("ix_audits_owner", "audits")
    op.drop_column("audits", "faults")
    op.drop_column("audits", "owner")
