"""Who is at which call: of several who ask, one gets it, for as long as they say that they go on.

A lease that is out counts for nothing, so a reviewer who went home blocks nobody. A call is taken
by one statement, which either finds it free or does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from storage.errors import ClaimError
from storage.queue import Queue
from storage.queue_filter import QueueFilter, Shown, Sort
from storage.queue_summary import Status
from storage.review_tables import QUEUE, QUEUE_REVIEWERS, REVIEW_CLAIMS
from storage.upsert import insert_if_new

LEASE_S = 15 * 60.0
_CANDIDATES = 25  # so many may be snatched away before a look at the queue is repeated
_LOOKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewClaim:
    """Somebody is at a call."""

    room_sid: str
    reviewer: str = field(repr=False)
    claimed_at: datetime  # UTC
    lease_until: datetime  # UTC


def claim_call(
    connection: Connection, room_sid: str, reviewer: str, *, now: datetime, lease_s: float = LEASE_S
) -> ReviewClaim:
    """Take a call, or go on with one that is theirs already.

    Args:
        connection: In a transaction.
        room_sid: A call of the queue.
        reviewer: Who.
        now: UTC.
        lease_s: For how long, without a word.

    Raises:
        ClaimError: somebody else is at it, or nothing is flagged on it.
    """
    if not _is_queued(connection, room_sid):
        raise ClaimError(f"call {room_sid}: nothing is flagged on it, so there is nothing to claim")
    if not _take(connection, room_sid, reviewer, now=now, lease_s=lease_s):
        raise ClaimError(f"call {room_sid}: somebody else is at it")
    return _of(connection, room_sid)


def renew_claim(
    connection: Connection, room_sid: str, reviewer: str, *, now: datetime, lease_s: float = LEASE_S
) -> ReviewClaim:
    """Keep a call for longer.

    Raises:
        ClaimError: the lease is out, or it was never theirs.
    """
    changed = connection.execute(
        update(REVIEW_CLAIMS)
        .where(_live(room_sid, reviewer, now))
        .values(lease_until=now + timedelta(seconds=lease_s))
    ).rowcount
    if changed != 1:
        raise ClaimError(f"call {room_sid}: your claim is over; claim it again")
    return _of(connection, room_sid)


def release_claim(connection: Connection, room_sid: str, reviewer: str, *, now: datetime) -> bool:
    """Give a call back. Nobody can give back what somebody else has.

    Returns:
        Whether it was theirs.

    Raises:
        ClaimError: somebody else is at it.
    """
    theirs = and_(REVIEW_CLAIMS.c.room_sid == room_sid, REVIEW_CLAIMS.c.reviewer == reviewer)
    if connection.execute(delete(REVIEW_CLAIMS).where(theirs)).rowcount:
        return True
    if claim_of(connection, room_sid, now=now) is not None:
        raise ClaimError(f"call {room_sid}: somebody else is at it")
    return False


def need_claim(connection: Connection, room_sid: str, reviewer: str, *, now: datetime) -> None:
    """Refuse whoever has not claimed a call.

    Raises:
        ClaimError: the lease is out, or it was never theirs.
    """
    where = _live(room_sid, reviewer, now)
    if connection.execute(select(REVIEW_CLAIMS.c.room_sid).where(where)).first() is None:
        raise ClaimError(f"call {room_sid}: claim it before you judge it; your claim may be over")


def claim_of(connection: Connection, room_sid: str, *, now: datetime) -> ReviewClaim | None:
    """Who is at a call now."""
    row = (
        connection.execute(
            select(REVIEW_CLAIMS).where(
                REVIEW_CLAIMS.c.room_sid == room_sid, REVIEW_CLAIMS.c.lease_until > now
            )
        )
        .mappings()
        .one_or_none()
    )
    return ReviewClaim(**row) if row else None


def claims_of(connection: Connection, reviewer: str, *, now: datetime) -> tuple[ReviewClaim, ...]:
    """The calls that somebody is at, in the order in which they took them."""
    rows = connection.execute(
        select(REVIEW_CLAIMS)
        .where(REVIEW_CLAIMS.c.reviewer == reviewer, REVIEW_CLAIMS.c.lease_until > now)
        .order_by(REVIEW_CLAIMS.c.claimed_at, REVIEW_CLAIMS.c.room_sid)
    ).mappings()
    return tuple(ReviewClaim(**row) for row in rows)


def claim_next(
    connection: Connection,
    reviewer: str,
    *,
    now: datetime,
    skip: str | None = None,
    lease_s: float = LEASE_S,
) -> ReviewClaim | None:
    """Take the call that somebody should do next.

    First what they had begun, then what was assigned to them, then what nobody was assigned; of
    these the worst first, and of those what has waited longest.

    Args:
        connection: In a transaction of its own.
        reviewer: Who.
        now: UTC.
        skip: A call that they are at and do not want now.
        lease_s: For how long, without a word.

    Returns:
        The claim, None where there is nothing to do.
    """
    for claim in claims_of(connection, reviewer, now=now):
        if claim.room_sid != skip and _is_theirs_to_do(connection, claim.room_sid, reviewer):
            return renew_claim(connection, claim.room_sid, reviewer, now=now, lease_s=lease_s)
    queue = Queue(connection, now=now, viewer=reviewer)
    for which in (
        QueueFilter(status=Shown.OPEN, assignee=reviewer),
        QueueFilter(status=Shown.OPEN, is_assigned=False),
    ):
        for _ in range(_LOOKS):
            page = queue.page(which, sort=Sort.SEVERITY, n_calls=_CANDIDATES)
            for call in page.calls:
                if call.room_sid != skip and _take(
                    connection, call.room_sid, reviewer, now=now, lease_s=lease_s
                ):
                    return _of(connection, call.room_sid)
            if page.next is None:
                break
    return None


def _take(
    connection: Connection, room_sid: str, reviewer: str, *, now: datetime, lease_s: float
) -> bool:
    row = {
        "room_sid": room_sid,
        "reviewer": reviewer,
        "claimed_at": now,
        "lease_until": now + timedelta(seconds=lease_s),
    }
    if insert_if_new(connection, REVIEW_CLAIMS, row):
        return True
    is_free = or_(REVIEW_CLAIMS.c.lease_until <= now, REVIEW_CLAIMS.c.reviewer == reviewer)
    return (
        connection.execute(
            update(REVIEW_CLAIMS).where(REVIEW_CLAIMS.c.room_sid == room_sid, is_free).values(row)
        ).rowcount
        == 1
    )


def _of(connection: Connection, room_sid: str) -> ReviewClaim:
    where = REVIEW_CLAIMS.c.room_sid == room_sid
    return ReviewClaim(**connection.execute(select(REVIEW_CLAIMS).where(where)).mappings().one())


def _live(room_sid: str, reviewer: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        REVIEW_CLAIMS.c.room_sid == room_sid,
        REVIEW_CLAIMS.c.reviewer == reviewer,
        REVIEW_CLAIMS.c.lease_until > now,
    )


def _is_queued(connection: Connection, room_sid: str) -> bool:
    where = QUEUE.c.room_sid == room_sid
    return connection.execute(select(QUEUE.c.room_sid).where(where)).first() is not None


def _is_theirs_to_do(connection: Connection, room_sid: str, reviewer: str) -> bool:
    judged = select(QUEUE_REVIEWERS.c.room_sid).where(
        QUEUE_REVIEWERS.c.room_sid == room_sid, QUEUE_REVIEWERS.c.reviewer == reviewer
    )
    open_call = select(QUEUE.c.room_sid).where(
        QUEUE.c.room_sid == room_sid, QUEUE.c.status == Status.OPEN.value, ~judged.exists()
    )
    return connection.execute(open_call).first() is not None
