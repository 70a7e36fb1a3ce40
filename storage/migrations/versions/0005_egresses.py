"""Recordings by Egress: who asked for them, how they stand, and which webhooks were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "egress_claims",
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("track_id", sa.Text(), nullable=False),
        sa.Column("room_name", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("claimed_at", _time(), nullable=False),
        sa.Column("lease_until", _time(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("egress_id", sa.Text()),
        sa.Column("gave_up_at", _time()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("room_sid", "track_id", name="pk_egress_claims"),
    )
    op.create_table(
        "egresses",
        sa.Column("egress_id", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("room_name", sa.Text(), nullable=False),
        sa.Column("track_id", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Integer()),
        sa.Column("object_key", sa.Text()),
        sa.Column("started_at", _time()),
        sa.Column("ended_at", _time()),
        sa.Column("duration_s", sa.Double()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("updated_at", _time(), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("egress_id", name="pk_egresses"),
    )
    op.create_index("ix_egresses_room_sid", "egresses", ["room_sid"])
    op.create_index("ix_egresses_updated_at", "egresses", ["updated_at"])
    op.create_table(
        "webhook_events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("received_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_webhook_events"),
    )
    op.create_index("ix_webhook_events_received_at", "webhook_events", ["received_at"])


def downgrade() -> None:
    """Remove them."""
    for table in ("webhook_events", "egresses", "egress_claims"):
        op.drop_table(table)
