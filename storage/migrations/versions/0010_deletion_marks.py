"""Objects that must not be kept, such as recordings in which a card's security code is said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "deletion_marks",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("object_key", "reason", name="pk_deletion_marks"),
    )
    op.create_index("ix_deletion_marks_room_sid", "deletion_marks", ["room_sid"])


def downgrade() -> None:
    """Remove the table; which recordings must not be kept is known no more."""
    op.drop_table("deletion_marks")
