"""Who observes a room, as the observers themselves say, and what the watchers agreed on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "heartbeats",
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("beat_at", _time(), nullable=False),
        sa.Column("heard_until_s", sa.Double(), nullable=False),
        sa.Column("left_at", _time()),
        sa.PrimaryKeyConstraint("room_sid", "job_id", name="pk_heartbeats"),
    )
    op.create_index("ix_heartbeats_beat_at", "heartbeats", ["beat_at"])
    op.create_table(
        "watches",
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("since", _time(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _time(), nullable=False),
        sa.Column("unobserved_since", _time()),
        sa.Column("updated_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("room_sid", name="pk_watches"),
    )
    op.create_index("ix_watches_updated_at", "watches", ["updated_at"])


def downgrade() -> None:
    """Remove both tables; nothing that was heard is in them."""
    op.drop_table("watches")
    op.drop_table("heartbeats")
