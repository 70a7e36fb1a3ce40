"""The tables. A change here needs a migration in `storage/migrations/versions`; a test compares.

Hits, gaps and recordings do not refer to the row of their call: what was heard must be kept even
where the call's own row could not be written, and recordings turn up of calls nobody observed.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    text,
)

from storage.columns import JsonColumn, UtcDateTime

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

CALLS = Table(
    "calls",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("room_name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime),
    Column("rulebook_fingerprint", Text),
    Column("observer_joined_s", Double),
)

PARTICIPANTS = Table(
    "participants",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("identity", Text, primary_key=True),
    Column("role", Text),
    Column("kind", Text, nullable=False),
    Column("joined_s", Double, nullable=False),
    Column("left_s", Double),
)

RECORDINGS = Table(
    "recordings",
    METADATA,
    Column("object_key", Text, primary_key=True),
    Column("sha256", Text),
    Column("egress_id", Text, nullable=False),
    Column("room_sid", Text, nullable=False, index=True),
    Column("room_name", Text, nullable=False),
    Column("identity", Text),
    Column("track_id", Text),
    Column("track_source", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("call_started_at", UtcDateTime),
    Column("recorder", Text, nullable=False),
)

HITS = Table(
    "hits",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("hit_id", Text, primary_key=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("severity", Text, nullable=False),
    Column("speaker", Text),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double, nullable=False),
    Column("parts", JsonColumn, nullable=False),
    Column("excerpt", Text, nullable=False),
    Column("score", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("at_s", Double, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False, index=True),
    Column("shadow", Boolean, nullable=False, server_default=false()),  # of a rule on trial
)

GAPS = Table(
    "gaps",
    METADATA,
    Column("gap_id", Text, primary_key=True),
    Column("room_sid", Text, nullable=False, index=True),
    Column("identity", Text),
    Column("kind", Text, nullable=False),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double),
    Column("detail", Text),
)

# Who spoke when, without words: it tells whose the voices of a mixed recording are.
SPEECH = Table(
    "speech",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("identity", Text, primary_key=True),
    Column("start_s", Double, primary_key=True),
    Column("end_s", Double, nullable=False),
)

# One row an observer's job: that it lives, and how far it has heard. A job that was killed leaves
# its row as it was, and a participant in the room that is nobody any more.
HEARTBEATS = Table(
    "heartbeats",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False, index=True),
    Column("heard_until_s", Double, nullable=False),
    Column("left_at", UtcDateTime),
)

# What the watchers agree on about a room; the lock, too, of whoever wants to observe it.
WATCHES = Table(
    "watches",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("unobserved_since", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False, index=True),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("delivery_id", Text, primary_key=True),
    Column("room_sid", Text, nullable=False),
    Column("hit_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),  # alert or retraction
    Column("payload", JsonColumn, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    Column("cancelled_at", UtcDateTime),
    Column("last_error", Text),
    Column("group_key", Text),
    Column("window_id", Text),  # the delivery that opened the time in which this was collected
    Column("message_id", Text),  # the delivery under whose id it left; set when it is taken first
    ForeignKeyConstraint(["room_sid", "hit_id"], ["hits.room_sid", "hits.hit_id"]),
)
# What is open stays small however long the outbox grows.
_IS_OPEN = (
    OUTBOX.c.delivered_at.is_(None) & OUTBOX.c.dead_at.is_(None) & OUTBOX.c.cancelled_at.is_(None)
)
Index(
    "ix_outbox_open",
    OUTBOX.c.next_attempt_at,
    postgresql_where=_IS_OPEN,
    sqlite_where=_IS_OPEN,
)
Index("ix_outbox_hit", OUTBOX.c.room_sid, OUTBOX.c.hit_id)
Index("ix_outbox_message_id", OUTBOX.c.message_id)

AUDITS = Table(
    "audits",
    METADATA,
    Column("audit_key", Text, primary_key=True),
    Column("room_sid", Text, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("report_key", Text),
    Column("pipeline", JsonColumn),
    Column("last_error", Text),
    Column("owner", Text, index=True),  # the worker that began it last
    Column("faults", Integer, nullable=False, server_default=text("0")),
)

# One row a day and a run over it; a shard of a run is a run of its own.
NIGHTS = Table(
    "nights",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("day", Date, primary_key=True, index=True),
    Column("shard", Integer, nullable=False),
    Column("n_shards", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("outcome", Text, nullable=False),
    Column("counts", JsonColumn),
)

FINDINGS = Table(
    "findings",
    METADATA,
    Column(
        "audit_key",
        Text,
        ForeignKey("audits.audit_key", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("finding_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("code", Text),
    Column("rule_id", Text),
    Column("rule_version", Integer),
    Column("severity", Text),
    Column("speaker", Text),
    Column("start_s", Double),
    Column("end_s", Double),
    Column("excerpt", Text),
    Column("score", Double),
    Column("verdict", Text),
    Column("live_hit_id", Text),
    Column("detail", Text),
)

# Rows are only added. They refer to no hit and no finding: an audit that is made again replaces its
# findings, and what a reviewer decided must outlive that.
VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("verdict_id", Text, primary_key=True),
    Column("room_sid", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("audit_key", Text),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("speaker", Text),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double, nullable=False),
    Column("decision", Text, nullable=False),
    Column("is_final", Boolean, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("note", Text),
)
Index("ix_verdicts_call", VERDICTS.c.room_sid, VERDICTS.c.decided_at)
Index("ix_verdicts_rule", VERDICTS.c.rule_id, VERDICTS.c.decided_at)

RECORDS = Table(
    "records",
    METADATA,
    Column("record_id", Text, primary_key=True),
    Column("room_sid", Text, nullable=False, index=True),
    Column("participant_sid", Text),
    Column("role", Text),
    Column("kind", Text),
    Column("type", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("at_s", Double, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False, index=True),
    Column("metadata", JsonColumn, nullable=False),
)

# Who asks for a track's recording writes here first, so that no track is recorded twice.
EGRESS_CLAIMS = Table(
    "egress_claims",
    METADATA,
    Column("room_sid", Text, primary_key=True),
    Column("track_id", Text, primary_key=True),
    Column("room_name", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("egress_id", Text),
    Column("gave_up_at", UtcDateTime),
    Column("reason", Text),
)

EGRESSES = Table(
    "egresses",
    METADATA,
    Column("egress_id", Text, primary_key=True),
    Column("room_sid", Text, nullable=False, index=True),
    Column("room_name", Text, nullable=False),
    Column("track_id", Text),
    Column("status", Text, nullable=False),
    Column("error_code", Integer),
    Column("object_key", Text),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duration_s", Double),
    Column("size_bytes", BigInteger),
    Column("updated_at", UtcDateTime, nullable=False, index=True),
    Column("problem", Text),
)

WEBHOOK_EVENTS = Table(
    "webhook_events",
    METADATA,
    Column("event_id", Text, primary_key=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
)

# Objects that must not be kept, and why; the rows stay when the objects are gone.
DELETION_MARKS = Table(
    "deletion_marks",
    METADATA,
    Column("object_key", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("room_sid", Text, nullable=False, index=True),
    Column("marked_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)
