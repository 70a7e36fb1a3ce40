"""The review: queue, claims, assignments, saved views, samples.

Calls that have hits or audits are marked as stale: their rows in the queue are made by the console
or by `earmark db upgrade`, in short transactions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _at(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, _time(), nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def upgrade() -> None:
    """Make the tables, and note which calls the queue does not know yet."""
    op.create_table(
        "queue",
        _text("room_sid"),
        _text("status"),
        _count("severity_rank"),
        _at("began_at"),
        _at("waiting_since"),
        _count("roles"),
        _flag("disagrees"),
        _text("worst_rule_id"),
        _count("n_flags"),
        _count("n_live"),
        _count("n_audit"),
        _count("n_rules"),
        sa.PrimaryKeyConstraint("room_sid", name="pk_queue"),
    )
    op.create_table(
        "queue_rules",
        _text("room_sid"),
        _text("rule_id"),
        _text("status"),
        _count("severity_rank"),
        _at("began_at"),
        _at("waiting_since"),
        _count("roles"),
        _flag("disagrees"),
        _count("n_flags"),
        sa.PrimaryKeyConstraint("room_sid", "rule_id", name="pk_queue_rules"),
    )
    for table, lead in (("queue", []), ("queue_rules", ["rule_id"])):
        first = [*lead, "status", "severity_rank"]
        op.create_index(
            f"ix_{table}_newest",
            table,
            [*first, "began_at", "room_sid", "roles", "disagrees"],
        )
        op.create_index(
            f"ix_{table}_waiting",
            table,
            [*first, "waiting_since", "room_sid", "began_at", "roles", "disagrees"],
        )
    op.create_table(
        "queue_reviewers",
        _text("room_sid"),
        _text("reviewer"),
        sa.PrimaryKeyConstraint("room_sid", "reviewer", name="pk_queue_reviewers"),
    )
    op.create_table(
        "queue_stale",
        _text("room_sid"),
        sa.PrimaryKeyConstraint("room_sid", name="pk_queue_stale"),
    )
    op.execute(
        "INSERT INTO queue_stale (room_sid) SELECT room_sid FROM hits UNION "
        "SELECT room_sid FROM audits"
    )
    op.create_table(
        "review_claims",
        _text("room_sid"),
        _text("reviewer"),
        _at("claimed_at"),
        _at("lease_until"),
        sa.PrimaryKeyConstraint("room_sid", name="pk_review_claims"),
    )
    op.create_index("ix_review_claims_reviewer", "review_claims", ["reviewer"])
    op.create_index("ix_review_claims_lease_until", "review_claims", ["lease_until"])
    op.create_table(
        "assignments",
        _text("room_sid"),
        _text("assignee"),
        _text("assigned_by"),
        _at("assigned_at"),
        sa.PrimaryKeyConstraint("room_sid", name="pk_assignments"),
    )
    op.create_index("ix_assignments_assignee", "assignments", ["assignee"])
    op.create_table(
        "review_needs",
        _text("room_sid"),
        _count("n_reviewers"),
        _at("drawn_at"),
        sa.PrimaryKeyConstraint("room_sid", name="pk_review_needs"),
    )
    op.create_table(
        "saved_views",
        _text("view_id"),
        _text("owner"),
        _text("name"),
        sa.Column("query", _JSON, nullable=False),
        _flag("is_shared"),
        _at("saved_at"),
        sa.PrimaryKeyConstraint("view_id", name="pk_saved_views"),
        sa.UniqueConstraint("owner", "name", name="uq_saved_views_owner_name"),
    )
    op.create_index("ix_saved_views_is_shared", "saved_views", ["is_shared"])
    op.create_table(
        "samples",
        _text("sample_id"),
        _text("name"),
        _at("since"),
        _at("until"),
        _text("by"),
        _count("seed"),
        _text("drawn_by"),
        _at("drawn_at"),
        sa.PrimaryKeyConstraint("sample_id", name="pk_samples"),
    )
    op.create_index("ix_samples_drawn_at", "samples", ["drawn_at"])
    op.create_table(
        "sample_strata",
        _text("sample_id"),
        _text("stratum"),
        _count("n_calls"),
        _count("n_drawn"),
        _count("n_reviewed"),
        _count("n_missed"),
        sa.PrimaryKeyConstraint("sample_id", "stratum", name="pk_sample_strata"),
        sa.ForeignKeyConstraint(
            ["sample_id"],
            ["samples.sample_id"],
            name="fk_sample_strata_samples",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "sample_calls",
        _text("sample_id"),
        _text("room_sid"),
        _text("stratum"),
        _text("outcome", nullable=True),
        _text("rule_id", nullable=True),
        _text("reviewer", nullable=True),
        _at("decided_at", nullable=True),
        sa.PrimaryKeyConstraint("sample_id", "room_sid", name="pk_sample_calls"),
        sa.ForeignKeyConstraint(
            ["sample_id"],
            ["samples.sample_id"],
            name="fk_sample_calls_samples",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_sample_calls_room_sid", "sample_calls", ["room_sid"])


def downgrade() -> None:
    """Remove the tables; claims, assignments, saved views and samples are forgotten with them."""
    for table in (
        "sample_calls",
        "sample_strata",
        "samples",
        "saved_views",
        "review_needs",
        "assignments",
        "review_claims",
        "queue_stale",
        "queue_reviewers",
        "queue_rules",
        "queue",
    ):
        op.drop_table(table)
