"""Published versions of the rule book, proposals that lead to them; newest hits by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _version(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["rule_versions.number"], name=f"fk_{table}_rule_versions_{column}"
    )


def upgrade() -> None:
    """Make the five tables."""
    op.create_table(
        "rule_texts",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_rule_texts"),
    )
    op.create_table(
        "rule_versions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("supersedes", sa.Integer()),
        sa.Column("rollback_of", sa.Integer()),
        sa.Column("proposal_id", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("approved_by <> author", name="ck_rule_versions_two_people"),
        sa.CheckConstraint(
            "(number = 1) = (supersedes IS NULL)", name="ck_rule_versions_one_beginning"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_rule_versions"),
        _version("supersedes", "rule_versions"),
        _version("rollback_of", "rule_versions"),
        sa.UniqueConstraint("supersedes", name="uq_rule_versions_supersedes"),
        sa.UniqueConstraint("proposal_id", name="uq_rule_versions_proposal_id"),
    )
    op.create_index("ix_rule_versions_fingerprint", "rule_versions", ["fingerprint"])
    op.create_table(
        "rule_version_files",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", "name", name="pk_rule_version_files"),
        _version("number", "rule_version_files"),
        sa.ForeignKeyConstraint(
            ["sha256"], ["rule_texts.sha256"], name="fk_rule_version_files_rule_texts"
        ),
    )
    op.create_table(
        "rule_proposals",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("rollback_of", sa.Integer()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", _time()),
        sa.Column("decision_note", sa.Text()),
        sa.Column("check_result", _JSON, nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'approved', 'rejected', 'withdrawn')",
            name="ck_rule_proposals_state",
        ),
        sa.CheckConstraint(
            "(state = 'open') = (decided_by IS NULL)", name="ck_rule_proposals_decided"
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'rejected') OR decided_by <> author",
            name="ck_rule_proposals_two_people",
        ),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_rule_proposals"),
        _version("base_version", "rule_proposals"),
        _version("rollback_of", "rule_proposals"),
    )
    op.create_index("ix_rule_proposals_state", "rule_proposals", ["state", "created_at"])
    op.create_table(
        "rule_proposal_files",
        sa.Column("proposal_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("before_sha256", sa.Text()),
        sa.Column("after_sha256", sa.Text()),
        sa.PrimaryKeyConstraint("proposal_id", "name", name="pk_rule_proposal_files"),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            ["rule_proposals.proposal_id"],
            name="fk_rule_proposal_files_rule_proposals",
        ),
        sa.ForeignKeyConstraint(
            ["before_sha256"], ["rule_texts.sha256"], name="fk_rule_proposal_files_before"
        ),
        sa.ForeignKeyConstraint(
            ["after_sha256"], ["rule_texts.sha256"], name="fk_rule_proposal_files_after"
        ),
    )


    # The page of what goes on asks for the newest hits every second.
    op.create_index("ix_hits_recorded_at", "hits", ["recorded_at"])


def downgrade() -> None:
    """Remove the tables; every published version is forgotten with them."""
    op.drop_index("ix_hits_recorded_at", table_name="hits")
    for name in (
        "rule_proposal_files",
        "rule_proposals",
        "rule_version_files",
        "rule_versions",
        "rule_texts",
    ):
        op.drop_table(name)
