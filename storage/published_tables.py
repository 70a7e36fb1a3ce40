"""Tables of the published rule book: contents, versions, and proposals that lead to versions.

Rows of contents and versions are only added. That nobody approves their own change is a constraint
of the database, so that no path around the console leads past it.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from storage.columns import JsonColumn, UtcDateTime
from storage.tables import METADATA

# Erasing a caller's name looks through all tables but those that say so here: rules are written by
# staff, and a content that is changed would not be the one that its hash tells.
_NAMES_NO_CALLER = {"names_no_caller": True}


def _version(column: str, table: str) -> ForeignKey:
    # Names of its own: a table may refer to versions more than once.
    return ForeignKey("rule_versions.number", name=f"fk_{table}_rule_versions_{column}")


def _text(side: str) -> ForeignKey:
    return ForeignKey("rule_texts.sha256", name=f"fk_rule_proposal_files_{side}")


RULE_TEXTS = Table(
    "rule_texts",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    info=_NAMES_NO_CALLER,
)

RULE_VERSIONS = Table(
    "rule_versions",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", Text, nullable=False),  # of all its files
    Column("fingerprint", Text, nullable=False, index=True),  # as calls and audits bear it
    Column("author", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("supersedes", Integer, _version("supersedes", "rule_versions")),
    Column("rollback_of", Integer, _version("rollback_of", "rule_versions")),
    Column("proposal_id", Text),  # None of the first one, which was taken over from files
    Column("note", Text, nullable=False),
    CheckConstraint("approved_by <> author", name="ck_rule_versions_two_people"),
    CheckConstraint("(number = 1) = (supersedes IS NULL)", name="ck_rule_versions_one_beginning"),
    UniqueConstraint("supersedes", name="uq_rule_versions_supersedes"),  # no fork
    UniqueConstraint("proposal_id", name="uq_rule_versions_proposal_id"),
)

RULE_VERSION_FILES = Table(
    "rule_version_files",
    METADATA,
    Column("number", Integer, _version("number", "rule_version_files"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sha256", Text, ForeignKey("rule_texts.sha256"), nullable=False),
    info=_NAMES_NO_CALLER,
)

RULE_PROPOSALS = Table(
    "rule_proposals",
    METADATA,
    Column("proposal_id", Text, primary_key=True),
    Column("author", Text, nullable=False),
    Column("base_version", Integer, _version("base_version", "rule_proposals"), nullable=False),
    Column("rollback_of", Integer, _version("rollback_of", "rule_proposals")),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UtcDateTime),
    Column("decision_note", Text),
    Column("check_result", JsonColumn, nullable=False),  # `rules.book_check.BookCheck`
    CheckConstraint(
        "state IN ('open', 'approved', 'rejected', 'withdrawn')", name="ck_rule_proposals_state"
    ),
    CheckConstraint("(state = 'open') = (decided_by IS NULL)", name="ck_rule_proposals_decided"),
    CheckConstraint(
        "state NOT IN ('approved', 'rejected') OR decided_by <> author",
        name="ck_rule_proposals_two_people",
    ),
)
Index("ix_rule_proposals_state", RULE_PROPOSALS.c.state, RULE_PROPOSALS.c.created_at)

RULE_PROPOSAL_FILES = Table(
    "rule_proposal_files",
    METADATA,
    Column("proposal_id", Text, ForeignKey("rule_proposals.proposal_id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("before_sha256", Text, _text("before")),  # None of a new file
    Column("after_sha256", Text, _text("after")),  # None of a removed one
    info=_NAMES_NO_CALLER,
)
