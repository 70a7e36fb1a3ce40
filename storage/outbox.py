"""The outbox: deliveries that must leave the house, written together with what they tell of.

What is taken back before it left does not leave; a retraction leaves after its alert. How they
leave stands in `departures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select, update

from storage.deliveries import FOLLOWS_DEAD, Kind, delivery_id
from storage.tables import OUTBOX
from storage.upsert import insert_if_new


def enqueue(
    connection: Connection,
    *,
    room_sid: str,
    hit_id: str,
    target: str,
    payload: Mapping[str, object],
    now: datetime,
    group: str | None = None,
    group_s: float = 0.0,
    renew: bool = False,
) -> str:
    """Queue the alert of a hit. If it was queued before, nothing changes.

    Args:
        connection: In the transaction that writes the hit.
        room_sid: The call.
        hit_id: The hit it tells of, which has been saved.
        target: Name of the receiver.
        payload: JSON; ids, spans and masked excerpts only.
        now: UTC.
        group: Hits of one call with the same group may be collected, such as a rule's id.
        group_s: After a hit of a group, further ones are collected for so long, in seconds, and
            leave as one message at the end of that time; 0 collects nothing.
        renew: More is known of the hit: where its alert has not left, it leaves with this payload.

    Returns:
        The delivery's id.
    """
    id = delivery_id(room_sid, hit_id, target)
    for told in _told(connection, room_sid, hit_id, target):
        if told["delivery_id"] == id:
            if renew and _has_not_left(told):
                _change(connection, told, payload=dict(payload))
            return id
    row = _row(id, room_sid, hit_id, target, Kind.ALERT, payload, now)
    if group is not None and group_s > 0:
        row |= _collected(connection, room_sid, target, group, id, now, group_s)
    insert_if_new(connection, OUTBOX, row)
    return id


def retract(
    connection: Connection,
    *,
    room_sid: str,
    hit_id: str,
    target: str,
    payload: Mapping[str, object],
    now: datetime,
) -> str | None:
    """Queue that a hit was taken back, or cancel its alert where that has not left.

    Args:
        connection: In the transaction that writes the hit.
        room_sid: The call.
        hit_id: The hit.
        target: Name of the receiver.
        payload: JSON; ids, spans and masked excerpts only.
        now: UTC.

    Returns:
        The delivery's id; None if the target was never told, so that nothing is to be taken back.
    """
    rows = {row["kind"]: row for row in _told(connection, room_sid, hit_id, target)}
    alert = rows.get(Kind.ALERT)
    if alert is None or alert["cancelled_at"] is not None:
        return None
    if _has_not_left(alert):
        _change(connection, alert, cancelled_at=now)
        return None
    id = delivery_id(room_sid, hit_id, target, Kind.RETRACTION)
    row = _row(id, room_sid, hit_id, target, Kind.RETRACTION, payload, now)
    if alert["dead_at"] is not None:
        row |= {"dead_at": now, "last_error": FOLLOWS_DEAD}
    insert_if_new(connection, OUTBOX, row)
    return id


def _row(
    id: str,
    room_sid: str,
    hit_id: str,
    target: str,
    kind: Kind,
    payload: Mapping[str, object],
    now: datetime,
) -> dict[str, object]:
    return {
        "delivery_id": id,
        "room_sid": room_sid,
        "hit_id": hit_id,
        "target": target,
        "kind": kind.value,
        "payload": dict(payload),
        "created_at": now,
        "attempts": 0,
        "next_attempt_at": now,
    }


def _told(connection: Connection, room_sid: str, hit_id: str, target: str) -> Sequence[RowMapping]:
    """What was queued of a hit; locked, so that it does not leave meanwhile."""
    return (
        connection.execute(
            select(OUTBOX)
            .where(
                OUTBOX.c.room_sid == room_sid,
                OUTBOX.c.hit_id == hit_id,
                OUTBOX.c.target == target,
            )
            .with_for_update()
        )
        .mappings()
        .all()
    )


def _has_not_left(row: RowMapping) -> bool:
    is_open = all(row[name] is None for name in ("delivered_at", "dead_at", "cancelled_at"))
    return is_open and row["attempts"] == 0


def _change(connection: Connection, row: RowMapping, **values: object) -> None:
    connection.execute(
        update(OUTBOX).where(OUTBOX.c.delivery_id == row["delivery_id"]).values(values)
    )


def _collected(
    connection: Connection,
    room_sid: str,
    target: str,
    group: str,
    id: str,
    now: datetime,
    group_s: float,
) -> dict[str, object]:
    """Where a hit stands in its group: the one that opens a window, or one that is collected."""
    opener = connection.execute(
        select(OUTBOX.c.delivery_id, OUTBOX.c.created_at)
        .where(
            OUTBOX.c.room_sid == room_sid,
            OUTBOX.c.target == target,
            OUTBOX.c.group_key == group,
            OUTBOX.c.window_id == OUTBOX.c.delivery_id,
            OUTBOX.c.cancelled_at.is_(None),
            OUTBOX.c.created_at > now - timedelta(seconds=group_s),
        )
        .order_by(OUTBOX.c.created_at.desc())
        .limit(1)
    ).first()
    if opener is None:
        return {"group_key": group, "window_id": id}
    return {
        "group_key": group,
        "window_id": opener.delivery_id,
        "next_attempt_at": opener.created_at + timedelta(seconds=group_s),
    }
