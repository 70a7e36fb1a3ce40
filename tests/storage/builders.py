"""Records to store, each with harmless defaults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rules.types import Hit, HitState, Severity, Span, TextRange
from storage.calls import Call
from storage.findings import Finding, FindingKind, LiveVerdict
from storage.manifest import Recording

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def call(**changes: Any) -> Call:
    """A live call that began at NOW and lasts."""
    values: dict[str, Any] = {
        "room_sid": "RM_1",
        "room_name": "support-42",
        "source": "livekit",
        "created_at": NOW,
        "rulebook_fingerprint": "book-1",
        "observer_joined_s": 1.5,
    }
    return Call(**(values | changes))


def hit(**changes: Any) -> Hit:
    """A confirmed card number that straddles two utterances."""
    values: dict[str, Any] = {
        "id": "h1",
        "rule_id": "pii.card-number",
        "rule_version": 2,
        "severity": Severity.HIGH,
        "speaker": "caller",
        "span": Span(3.25, 7.5),
        "parts": (
            TextRange(utterance_id="u1", start_chars=5, end_chars=20),
            TextRange(utterance_id="u2", start_chars=0, end_chars=9),
        ),
        "excerpt": "my card is ************1111",
        "score": 0.99,
        "state": HitState.CONFIRMED,
        "at_s": 7.5,
    }
    return Hit(**(values | changes))


def recording(**changes: Any) -> Recording:
    """A minute of one participant, by our own recorder."""
    values: dict[str, Any] = {
        "object_key": "recordings/2026-03-01/RM_1/TR_1.ogg",
        "sha256": "ab" * 32,
        "egress_id": "ER_1",
        "room_sid": "RM_1",
        "room_name": "support-42",
        "identity": "caller",
        "track_id": "TR_1",
        "track_source": "microphone",
        "started_at": NOW + timedelta(seconds=1.5),
        "ended_at": NOW + timedelta(seconds=61.5),
        "duration_s": 60.0,
        "call_started_at": NOW,
        "recorder": "earmark",
    }
    return Recording(**(values | changes))


def finding(**changes: Any) -> Finding:
    """A card number that live and audit found."""
    values: dict[str, Any] = {
        "id": "f1",
        "kind": FindingKind.RULE,
        "rule_id": "pii.card-number",
        "rule_version": 2,
        "severity": Severity.HIGH,
        "speaker": "caller",
        "start_s": 3.0,
        "end_s": 7.0,
        "excerpt": "my card is ************1111",
        "score": 1.0,
        "verdict": LiveVerdict.CONFIRMED,
        "live_hit_id": "h1",
    }
    return Finding(**(values | changes))
