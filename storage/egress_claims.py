"""Claims on tracks that are to be recorded: the row that keeps a track from being recorded twice.

A claim is written before Egress is asked. Whoever holds it asks, and writes down the answer. One
who dies in between lets the lease run out; the next one takes the claim over, and must look first
whether the request got through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, select, update

from storage.tables import EGRESS_CLAIMS
from storage.upsert import insert_if_new

# Longer than all tries to ask take together.
LEASE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressClaim:
    """A track that somebody undertook to have recorded."""

    room_sid: str
    track_id: str
    room_name: str = field(repr=False)
    identity: str = field(repr=False)
    claimed_at: datetime  # UTC
    lease_until: datetime  # UTC
    attempts: int = 0
    egress_id: str | None = None  # None until Egress took the request
    gave_up_at: datetime | None = None  # UTC
    reason: str | None = None  # a code

    @property
    def is_settled(self) -> bool:
        """Whether it was answered, or given up."""
        return self.egress_id is not None or self.gave_up_at is not None


def claim_track(
    connection: Connection,
    *,
    room_sid: str,
    track_id: str,
    room_name: str,
    identity: str,
    now: datetime,
    lease_s: float = LEASE_S,
) -> tuple[EgressClaim, bool]:
    """Undertake to have a track recorded, unless somebody has.

    Returns:
        The claim as it stands, and whether it is the caller's to fulfil. One that is not settled
        and not the caller's may be asked for again after `lease_until`.
    """
    claim = EgressClaim(
        room_sid=room_sid,
        track_id=track_id,
        room_name=room_name,
        identity=identity,
        claimed_at=now,
        lease_until=now + timedelta(seconds=lease_s),
    )
    row = {name: getattr(claim, name) for name in EgressClaim.__dataclass_fields__}
    if insert_if_new(connection, EGRESS_CLAIMS, row):
        return claim, True
    taken = connection.execute(
        update(EGRESS_CLAIMS)
        .where(
            _is(room_sid, track_id),
            EGRESS_CLAIMS.c.egress_id.is_(None),
            EGRESS_CLAIMS.c.gave_up_at.is_(None),
            EGRESS_CLAIMS.c.lease_until <= now,
        )
        .values(lease_until=claim.lease_until)
    ).rowcount
    return _select(connection, _is(room_sid, track_id))[0], taken == 1


def note_attempt(connection: Connection, room_sid: str, track_id: str) -> None:
    """Count a request, before it is made."""
    connection.execute(
        update(EGRESS_CLAIMS)
        .where(_is(room_sid, track_id))
        .values(attempts=EGRESS_CLAIMS.c.attempts + 1)
    )


def settle_claim(connection: Connection, room_sid: str, track_id: str, egress_id: str) -> None:
    """Note which egress records the track."""
    connection.execute(
        update(EGRESS_CLAIMS)
        .where(_is(room_sid, track_id))
        .values(egress_id=egress_id, gave_up_at=None, reason=None)
    )


def give_up_claim(
    connection: Connection, room_sid: str, track_id: str, *, reason: str, now: datetime
) -> None:
    """Note that the track will not be recorded.

    Args:
        connection: In a transaction.
        room_sid: The call.
        track_id: The track.
        reason: A code, never what a server wrote.
        now: UTC.
    """
    connection.execute(
        update(EGRESS_CLAIMS)
        .where(_is(room_sid, track_id), EGRESS_CLAIMS.c.egress_id.is_(None))
        .values(gave_up_at=now, reason=reason)
    )


def claims_of(connection: Connection, room_sid: str) -> tuple[EgressClaim, ...]:
    """The claims of a call, by track."""
    return _select(connection, EGRESS_CLAIMS.c.room_sid == room_sid)


def claims_since(connection: Connection, since: datetime) -> tuple[EgressClaim, ...]:
    """The claims made at `since` or later."""
    return _select(connection, EGRESS_CLAIMS.c.claimed_at >= since)


def _is(room_sid: str, track_id: str) -> ColumnElement[bool]:
    return and_(EGRESS_CLAIMS.c.room_sid == room_sid, EGRESS_CLAIMS.c.track_id == track_id)


def _select(connection: Connection, where: ColumnElement[bool]) -> tuple[EgressClaim, ...]:
    rows = connection.execute(
        select(EGRESS_CLAIMS)
        .where(where)
        .order_by(EGRESS_CLAIMS.c.room_sid, EGRESS_CLAIMS.c.track_id)
    ).mappings()
    return tuple(EgressClaim(**row) for row in rows)
