"""The first tables: calls, what was heard and not heard, recordings, audits, the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Spelled out here, not taken from storage.columns: a migration stays as it was released.
_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_OPEN = sa.text("delivered_at IS NULL AND dead_at IS NULL")


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "calls",
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("room_name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("ended_at", _time()),
        sa.Column("rulebook_fingerprint", sa.Text()),
        sa.Column("observer_joined_s", sa.Double()),
        sa.PrimaryKeyConstraint("room_sid", name="pk_calls"),
    )
    op.create_index("ix_calls_created_at", "calls", ["created_at"])
    op.create_table(
        "participants",
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("role", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("joined_s", sa.Double(), nullable=False),
        sa.Column("left_s", sa.Double()),
        sa.PrimaryKeyConstraint("room_sid", "identity", name="pk_participants"),
    )
    op.create_table(
        "recordings",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.Column("egress_id", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("room_name", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text()),
        sa.Column("track_id", sa.Text()),
        sa.Column("track_source", sa.Text()),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("ended_at", _time(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("call_started_at", _time()),
        sa.Column("recorder", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("object_key", name="pk_recordings"),
    )
    op.create_index("ix_recordings_room_sid", "recordings", ["room_sid"])
    op.create_table(
        "hits",
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("hit_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("speaker", sa.Text()),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("parts", _JSON, nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("recorded_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("room_sid", "hit_id", name="pk_hits"),
    )
    op.create_table(
        "gaps",
        sa.Column("gap_id", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double()),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("gap_id", name="pk_gaps"),
    )
    op.create_index("ix_gaps_room_sid", "gaps", ["room_sid"])
    op.create_table(
        "outbox",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("hit_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("payload", _JSON, nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _time(), nullable=False),
        sa.Column("delivered_at", _time()),
        sa.Column("dead_at", _time()),
        sa.Column("last_error", sa.Text()),
        sa.ForeignKeyConstraint(
            ["room_sid", "hit_id"], ["hits.room_sid", "hits.hit_id"], name="fk_outbox_hits"
        ),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_hit", "outbox", ["room_sid", "hit_id"])
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["next_attempt_at"],
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_table(
        "audits",
        sa.Column("audit_key", sa.Text(), nullable=False),
        sa.Column("room_sid", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", _time()),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("finished_at", _time()),
        sa.Column("report_key", sa.Text()),
        sa.Column("pipeline", _JSON),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("audit_key", name="pk_audits"),
    )
    op.create_index("ix_audits_room_sid", "audits", ["room_sid"])
    op.create_table(
        "findings",
        sa.Column("audit_key", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("rule_id", sa.Text()),
        sa.Column("rule_version", sa.Integer()),
        sa.Column("severity", sa.Text()),
        sa.Column("speaker", sa.Text()),
        sa.Column("start_s", sa.Double()),
        sa.Column("end_s", sa.Double()),
        sa.Column("excerpt", sa.Text()),
        sa.Column("score", sa.Double()),
        sa.Column("verdict", sa.Text()),
        sa.Column("live_hit_id", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.ForeignKeyConstraint(
            ["audit_key"], ["audits.audit_key"], name="fk_findings_audits", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("audit_key", "finding_id", name="pk_findings"),
    )


def downgrade() -> None:
    """Remove all tables, and with them all that was kept."""
    for table in (
        "findings",
        "audits",
        "outbox",
        "gaps",
        "hits",
        "recordings",
        "participants",
        "calls",
    ):
        op.drop_table(table)
