"""Tables of the review: the queue, who is at which call, who sees what, samples.

`queue`, `queue_rules` and `queue_reviewers` are made out of other tables (`storage.queue_summary`)
and hold nothing of their own; no row here holds an identity of a caller, only ids and counts.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from storage.columns import JsonColumn, UtcDateTime
from storage.tables import METADATA

# One row a flagged call, so that a page of the queue need not look at hits.
QUEUE = Table(
    "queue",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("severity_rank", Integer, nullable=False),  # of the worst flag
    Column("began_at", UtcDateTime, nullable=False),
    Column("waiting_since", UtcDateTime, nullable=False),
    Column("roles", Integer, nullable=False),  # of those who are flagged; a bit each
    Column("disagrees", Boolean, nullable=False),  # the live side and the audit
    Column("worst_rule_id", Text, nullable=False),
    Column("n_flags", Integer, nullable=False),
    Column("n_live", Integer, nullable=False),
    Column("n_audit", Integer, nullable=False),
    Column("n_rules", Integer, nullable=False),
)

# One row a flagged call and a rule; the keys of the order stand here, too, so that a filter by rule
# walks one index and stops at the page's end.
QUEUE_RULES = Table(
    "queue_rules",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("severity_rank", Integer, nullable=False),  # of the call's worst flag
    Column("began_at", UtcDateTime, nullable=False),
    Column("waiting_since", UtcDateTime, nullable=False),
    Column("roles", Integer, nullable=False),  # of whom this rule flags
    Column("disagrees", Boolean, nullable=False),  # about this rule
    Column("n_flags", Integer, nullable=False),
)
# The filters that are not part of the order ride along, so that the table is not looked at for
# calls that they leave out.
for _table, _lead in ((QUEUE, ()), (QUEUE_RULES, ("rule_id",))):
    for _name, _times in (
        ("newest", ("began_at", "room_sid")),
        ("waiting", ("waiting_since", "room_sid", "began_at")),
    ):
        _columns = (*_lead, "status", "severity_rank", *_times, "roles", "disagrees")
        Index(f"ix_{_table.name}_{_name}", *(_table.c[each] for each in _columns))

# Who has judged every flag of a call: it is theirs no more, while it may wait for a second one.
QUEUE_REVIEWERS = Table(
    "queue_reviewers",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("reviewer", Text, primary_key=True),
)

# Calls whose rows in the queue are older than what they are made of, such as after an upgrade.
QUEUE_STALE = Table("queue_stale", METADATA, Column("room_sid", Text, primary_key=True))

# Who is at a call now. A row whose lease is out counts for nothing.
REVIEW_CLAIMS = Table(
    "review_claims",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("reviewer", Text, nullable=False, index=True),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False, index=True),
)

ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("assignee", Text, nullable=False, index=True),
    Column("assigned_by", Text, nullable=False),
    Column("assigned_at", UtcDateTime, nullable=False),
)

# How many reviewers judge a call by themselves; drawn with its first verdict, and never again.
REVIEW_NEEDS = Table(
    "review_needs",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("n_reviewers", Integer, nullable=False),
    Column("drawn_at", UtcDateTime, nullable=False),
)

SAVED_VIEWS = Table(
    "saved_views",
    METADATA,
    Column("view_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", JsonColumn, nullable=False),
    Column("is_shared", Boolean, nullable=False, index=True),
    Column("saved_at", UtcDateTime, nullable=False),
    UniqueConstraint("owner", "name"),
)

# Calls that nothing flagged, drawn to learn what is missed. The counts of a stratum outlive its
# calls, whose rows are deleted some day.
SAMPLES = Table(
    "samples",
    METADATA,
    Column("sample_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),  # what the strata are made by
    Column("seed", Integer, nullable=False),
    Column("drawn_by", Text, nullable=False),
    Column("drawn_at", UtcDateTime, nullable=False, index=True),
)

SAMPLE_STRATA = Table(
    "sample_strata",
    METADATA,
    Column(
        "sample_id", Text, ForeignKey("samples.sample_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("stratum", Text, primary_key=True),
    Column("n_calls", Integer, nullable=False),
    Column("n_drawn", Integer, nullable=False),
    Column("n_reviewed", Integer, nullable=False),
    Column("n_missed", Integer, nullable=False),  # calls on which something was missed
)

SAMPLE_CALLS = Table(
    "sample_calls",
    METADATA,
    Column(
        "sample_id", Text, ForeignKey("samples.sample_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("room_sid", Text, primary_key=True),
    Column("stratum", Text, nullable=False),
    Column("outcome", Text),  # None until somebody has listened
    Column("rule_id", Text),  # of what was missed
    Column("reviewer", Text),
    Column("decided_at", UtcDateTime),
)
Index("ix_sample_calls_room_sid", SAMPLE_CALLS.c.room_sid)
