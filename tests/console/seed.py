"""Calls that look like real ones: rows, live hits, an audit with its report, and recordings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rules.types import Hit, HitState, Role, Severity, Span
from storage.calls import Call, CallParticipant, save_call, save_participant
from storage.database import Database
from storage.hits import save_hit

STARTED_AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def live_call(
    database: Database, number: int = 1, *, severity: Severity = Severity.HIGH, n_hits: int = 1
) -> str:
    """A call that live heard, with hits of the customer, and no audit yet; its session id."""
    room_sid = f"RM_seed{number:06}"
    started_at = STARTED_AT + timedelta(hours=number)
    with database.begin() as connection:
        save_call(
            connection,
            Call(
                room_sid=room_sid, room_name=f"support-{number}", source="livekit",
                created_at=started_at, ended_at=started_at + timedelta(minutes=5),
                rulebook_fingerprint=None, observer_joined_s=0.5,
            ),
        )  # fmt: skip
        for identity, role in (("agent", Role.AGENT), ("customer", Role.CUSTOMER)):
            save_participant(
                connection,
                CallParticipant(
                    room_sid=room_sid, identity=identity, role=role, kind="standard",
                    joined_s=0.0, left_s=300.0,
                ),
            )  # fmt: skip
        for index in range(n_hits):
            save_hit(
                connection,
                room_sid,
                Hit(
                    id=f"h{index}", rule_id="pii.card-number", rule_version=1, severity=severity,
                    speaker="customer", span=Span(10.0 + 20 * index, 14.0 + 20 * index), parts=(),
                    excerpt="••••6467", score=1.0, state=HitState.CONFIRMED, at_s=14.0 + 20 * index,
                ),
                recorded_at=started_at,
            )  # fmt: skip
    return room_sid
