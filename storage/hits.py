"""The hits that were found live."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, select, update

from rules.types import Hit, HitState, Severity, Span, TextRange
from storage.call_lock import lock_call
from storage.queue_summary import refresh_queue
from storage.tables import HITS
from storage.upsert import insert_if_new


def save_hit(
    connection: Connection, room_sid: str, hit: Hit, *, recorded_at: datetime, shadow: bool = False
) -> bool:
    """Insert a hit, or bring the one with its id up to date.

    A hit that was settled stays settled: a provisional one that comes late changes nothing.

    Args:
        connection: In a transaction; queue the hit's delivery in the same one.
        room_sid: The call.
        hit: As the engine gave it.
        recorded_at: When it was first written; stays at the first value.
        shadow: Of a rule that is on trial: kept for comparison, and never an alert.

    Returns:
        Whether the hit is new.
    """
    row: dict[str, object] = {
        "room_sid": room_sid,
        "hit_id": hit.id,
        "rule_id": hit.rule_id,
        "rule_version": hit.rule_version,
        "severity": hit.severity.value,
        "speaker": hit.speaker,
        "start_s": hit.span.start_s,
        "end_s": hit.span.end_s,
        "parts": [[part.utterance_id, part.start_chars, part.end_chars] for part in hit.parts],
        "excerpt": hit.excerpt,
        "score": hit.score,
        "state": hit.state.value,
        "at_s": hit.at_s,
        "recorded_at": recorded_at,
        "shadow": shadow,
    }
    lock_call(connection, room_sid)
    if insert_if_new(connection, HITS, row):
        if not shadow:
            refresh_queue(connection, [room_sid])
        return True
    for name in ("room_sid", "hit_id", "recorded_at"):
        del row[name]
    change = update(HITS).where(HITS.c.room_sid == room_sid, HITS.c.hit_id == hit.id)
    if hit.state is HitState.PROVISIONAL:
        change = change.where(HITS.c.state == HitState.PROVISIONAL.value)
    connection.execute(change.values(row))
    refresh_queue(connection, [room_sid])
    return False


def hits_of(connection: Connection, room_sid: str, *, shadow: bool = False) -> tuple[Hit, ...]:
    """The hits of a call, retracted ones too, in order of their beginning.

    Args:
        connection: In a transaction.
        room_sid: The call.
        shadow: Give the hits of rules that were on trial instead of those that were alerts.
    """
    rows = connection.execute(
        select(HITS)
        .where(HITS.c.room_sid == room_sid, HITS.c.shadow.is_(shadow))
        .order_by(HITS.c.start_s, HITS.c.end_s, HITS.c.hit_id)
    ).mappings()
    return tuple(_hit(row) for row in rows)


def _hit(row: RowMapping) -> Hit:
    parts = cast("list[list[Any]]", row["parts"])
    return Hit(
        id=row["hit_id"],
        rule_id=row["rule_id"],
        rule_version=row["rule_version"],
        severity=Severity(row["severity"]),
        speaker=row["speaker"],
        span=Span(row["start_s"], row["end_s"]),
        parts=tuple(
            TextRange(utterance_id=utterance_id, start_chars=start, end_chars=end)
            for utterance_id, start, end in parts
        ),
        excerpt=row["excerpt"],
        score=row["score"],
        state=HitState(row["state"]),
        at_s=row["at_s"],
    )
