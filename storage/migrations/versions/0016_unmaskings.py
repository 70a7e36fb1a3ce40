"""What somebody may see and hear unmasked, for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "unmaskings",
        sa.Column("session_hash", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_hash", "room_sid", "what", name="pk_unmaskings"),
    )
    op.create_index("ix_unmaskings_until", "unmaskings", ["until"])


def downgrade() -> None:
    """Remove the table; what is open is covered."""
    op.drop_table("unmaskings")
