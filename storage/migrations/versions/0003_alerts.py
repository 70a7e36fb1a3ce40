"""Alerts to several targets: retractions, collected hits, dead letters; hits of shadow rules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0005"
branch_labels = None
depends_on = None

_OPEN = sa.text("delivered_at IS NULL AND dead_at IS NULL AND cancelled_at IS NULL")
_OPEN_BEFORE = sa.text("delivered_at IS NULL AND dead_at IS NULL")


def _open_index(where: sa.TextClause) -> None:
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["next_attempt_at"],
        postgresql_where=where,
        sqlite_where=where,
    )


def upgrade() -> None:
    """Add what is needed; deliveries that are there keep their ids."""
    op.add_column(
        "hits", sa.Column("shadow", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.drop_index("ix_outbox_open", "outbox")
    for column in (
        sa.Column("kind", sa.Text(), nullable=False, server_default="alert"),
        sa.Column("cancelled_at", sa.DateTime(timezone=True)),
        sa.Column("group_key", sa.Text()),
        sa.Column("window_id", sa.Text()),
        sa.Column("message_id", sa.Text()),
    ):
        op.add_column("outbox", column)
    op.execute(
        "UPDATE outbox SET kind = 'retraction' WHERE CAST(payload AS TEXT) LIKE '%\"retracted\"%'"
    )
    op.execute("UPDATE outbox SET message_id = delivery_id WHERE attempts > 0")
    _open_index(_OPEN)
    op.create_index("ix_outbox_message_id", "outbox", ["message_id"])


def downgrade() -> None:
    """Remove what was added; what was cancelled is deleted, so that it does not leave after all."""
    op.execute("DELETE FROM outbox WHERE cancelled_at IS NOT NULL")
    op.drop_index("ix_outbox_message_id", "outbox")
    op.drop_index("ix_outbox_open", "outbox")
    for name in ("message_id", "window_id", "group_key", "cancelled_at", "kind"):
        op.drop_column("outbox", name)
    _open_index(_OPEN_BEFORE)
    op.drop_column("hits", "shadow")
