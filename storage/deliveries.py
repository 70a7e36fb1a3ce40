"""Deliveries: what a target is told of a hit, and when one is open.

A target is told of a hit once, and a second time if the hit is taken back after it was told. Each
telling has an id of its own that never changes. `outbox.py` queues them, `departures.py` lets them
leave, `letters.py` shows them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from storage.tables import OUTBOX

OPEN = (
    OUTBOX.c.delivered_at.is_(None) & OUTBOX.c.dead_at.is_(None) & OUTBOX.c.cancelled_at.is_(None)
)
ALERT = OUTBOX.alias("alert")
# The alert that a retraction takes back, where it has not arrived.
UNTOLD_ALERT = (
    (OUTBOX.c.kind == "retraction")
    & (ALERT.c.room_sid == OUTBOX.c.room_sid)
    & (ALERT.c.hit_id == OUTBOX.c.hit_id)
    & (ALERT.c.target == OUTBOX.c.target)
    & (ALERT.c.kind == "alert")
    & ALERT.c.delivered_at.is_(None)
    & ALERT.c.cancelled_at.is_(None)
)
FOLLOWS_DEAD = "what it takes back was given up"


class Kind(StrEnum):
    """What a delivery tells of a hit."""

    ALERT = "alert"
    RETRACTION = "retraction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something to deliver: one message, of one hit or of several that were collected."""

    id: str  # the same over all attempts, in any process
    room_sid: str
    hit_id: str
    target: str  # name of the receiver, such as "webhook"
    kind: Kind
    payload: Mapping[str, object] = field(repr=False)
    more: tuple[Mapping[str, object], ...] = field(default=(), repr=False)  # of further hits
    created_at: datetime  # UTC
    attempts: int  # made before this one


def delivery_id(room_sid: str, hit_id: str, target: str, kind: Kind = Kind.ALERT) -> str:
    """The id under which a target is told of a hit, or of its end."""
    named = [room_sid, hit_id, target] + ([] if kind is Kind.ALERT else [kind.value])
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    return f"dl_{digest[:32]}"
