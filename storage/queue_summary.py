"""Keeps the rows of the queue in step with what they are made of.

Whoever writes a hit, ends an audit, gives a verdict or changes who took part calls `refresh_queue`
in the same transaction, so a call is in the queue when its hit is in the database. Calls that came
into the database in another way, such as before the queue was there, stand in `queue_stale` until
`refresh_stale` has made their rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import Connection, Table, delete, func, insert, select

from rules.backtest import Decision, Review, decision_of
from rules.types import Role
from storage.call_lock import lock_call
from storage.database import Database
from storage.review_items import RANKS, Given, ReviewItem, given_on, items_of, reviews_by_item
from storage.review_tables import (
    QUEUE,
    QUEUE_REVIEWERS,
    QUEUE_RULES,
    QUEUE_STALE,
    REVIEW_NEEDS,
)
from storage.tables import CALLS, PARTICIPANTS

BATCH_CALLS = 200  # in one transaction; others wait for so many at most


class Status(StrEnum):
    """How far the review of a call is."""

    OPEN = "open"
    REVIEWED = "reviewed"
    ESCALATED = "escalated"
    ADJUDICATION = "adjudication"  # reviewers disagree, and a lead has to decide


class Flagged(StrEnum):
    """Whom a flag is about."""

    AGENT = Role.AGENT.value
    CUSTOMER = Role.CUSTOMER.value
    SUPERVISOR = Role.SUPERVISOR.value
    AI_AGENT = Role.AI_AGENT.value
    UNKNOWN = "unknown"  # somebody of whom no role is known
    NOBODY = "nobody"  # what nobody said, such as a notice that is missing

    @property
    def bit(self) -> int:
        """The place in the column `roles`."""
        return _BITS[self]


_BITS: Mapping[Flagged, int] = MappingProxyType({each: 1 << n for n, each in enumerate(Flagged)})
_Row = dict[str, object]
_DERIVED = (QUEUE, QUEUE_RULES, QUEUE_REVIEWERS)


def refresh_queue(connection: Connection, room_sids: Collection[str]) -> None:
    """Make the rows of calls anew, where they are not what they should be.

    Args:
        connection: In the transaction that changed the calls.
        room_sids: Which.
    """
    sids = sorted(set(room_sids))
    for room_sid in sids:
        lock_call(connection, room_sid)
    wanted = _rows(connection, sids)
    for table in _DERIVED:
        _settle(connection, table, sids, wanted[table.name])


def refresh_queued(connection: Connection, room_sid: str) -> None:
    """Make a call's rows anew if it is in the queue.

    For changes that bring no call into it: its beginning, and who took part.
    """
    is_there = select(QUEUE.c.room_sid).where(QUEUE.c.room_sid == room_sid)
    if connection.execute(is_there).first() is not None:
        refresh_queue(connection, [room_sid])


def refresh_stale(database: Database, *, batch_calls: int = BATCH_CALLS) -> int:
    """Make the rows of all calls that are known to be stale, in short transactions.

    Several may do it at once, and one that is killed is gone on with.

    Returns:
        How many calls that were.
    """
    n_calls = 0
    while True:
        with database.begin() as connection:
            sids = list(
                connection.execute(
                    select(QUEUE_STALE.c.room_sid)
                    .order_by(QUEUE_STALE.c.room_sid)
                    .limit(batch_calls)
                ).scalars()
            )
            if not sids:
                return n_calls
            refresh_queue(connection, sids)
            connection.execute(delete(QUEUE_STALE).where(QUEUE_STALE.c.room_sid.in_(sids)))
        n_calls += len(sids)


def status_in_queue(connection: Connection, room_sid: str) -> Status | None:
    """How far the review of a call is, None where nothing is flagged on it."""
    status = connection.execute(select(QUEUE.c.status).where(QUEUE.c.room_sid == room_sid)).scalar()
    return None if status is None else Status(status)


def n_stale(connection: Connection) -> int:
    """How many calls the queue does not show as they are."""
    return connection.execute(select(func.count()).select_from(QUEUE_STALE)).scalar_one()


def status_of(
    reviews: Sequence[Sequence[Review]], *, n_reviewers: int
) -> tuple[Status, tuple[bool, ...]]:
    """How far a review is.

    Args:
        reviews: Of each item, oldest first.
        n_reviewers: How many must judge an item, unless a final verdict settles it.

    Returns:
        The status, and for each item whether it is settled.
    """
    settled = tuple(
        any(review.is_final for review in each)
        or len({review.reviewer for review in each}) >= n_reviewers
        for each in reviews
    )
    if not all(settled):
        return Status.OPEN, settled
    decisions = {decision_of(each) for each in reviews}
    if Decision.DISPUTED in decisions:
        return Status.ADJUDICATION, settled
    if Decision.ESCALATED in decisions:
        return Status.ESCALATED, settled
    return Status.REVIEWED, settled


def _rows(connection: Connection, sids: Sequence[str]) -> Mapping[str, list[_Row]]:
    items = items_of(connection, sids)
    flagged = list(items)
    given = given_on(connection, flagged)
    needs: dict[str, int] = {
        room_sid: n
        for room_sid, n in connection.execute(
            select(REVIEW_NEEDS.c.room_sid, REVIEW_NEEDS.c.n_reviewers).where(
                REVIEW_NEEDS.c.room_sid.in_(flagged)
            )
        )
    }
    began: dict[str, datetime] = {
        room_sid: at
        for room_sid, at in connection.execute(
            select(CALLS.c.room_sid, CALLS.c.created_at).where(CALLS.c.room_sid.in_(flagged))
        )
    }
    roles = _roles(connection, flagged)
    rows: dict[str, list[_Row]] = {table.name: [] for table in _DERIVED}
    for room_sid, each in items.items():
        _add(
            rows,
            room_sid,
            each,
            given.get(room_sid, ()),
            n_reviewers=needs.get(room_sid, 1),
            began_at=began.get(room_sid),
            roles=roles.get(room_sid, {}),
        )
    return rows


def _add(
    rows: Mapping[str, list[_Row]],
    room_sid: str,
    items: Sequence[ReviewItem],
    given: Sequence[Given],
    *,
    n_reviewers: int,
    began_at: datetime | None,
    roles: Mapping[str, Flagged],
) -> None:
    reviews = reviews_by_item(items, given)
    status, settled = status_of(reviews, n_reviewers=n_reviewers)
    waiting = [i.flagged_at for i, is_settled in zip(items, settled, strict=True) if not is_settled]
    worst = max(items, key=lambda item: (RANKS[item.severity], -item.span.start_s))
    order: _Row = {
        "room_sid": room_sid,
        "status": status.value,
        "severity_rank": RANKS[worst.severity],
        "began_at": began_at or min(item.flagged_at for item in items),
        "waiting_since": min(waiting or [item.flagged_at for item in items]),
    }
    by_rule: dict[str, list[ReviewItem]] = defaultdict(list)
    for item in items:
        by_rule[item.rule_id].append(item)
    rows[QUEUE.name].append(
        order
        | _told(items, roles)
        | {
            "worst_rule_id": worst.rule_id,
            "n_live": sum(item.is_live for item in items),
            "n_audit": sum(item.is_audit for item in items),
            "n_rules": len(by_rule),
        }
    )
    rows[QUEUE_RULES.name].extend(
        order | {"rule_id": rule_id} | _told(each, roles) for rule_id, each in by_rule.items()
    )
    judged = Counter(
        reviewer
        for each in reviews
        for reviewer in {review.reviewer for review in each if review.reviewer is not None}
    )
    rows[QUEUE_REVIEWERS.name].extend(
        {"room_sid": room_sid, "reviewer": reviewer}
        for reviewer, n_items in judged.items()
        if n_items == len(items)
    )


def _told(items: Iterable[ReviewItem], roles: Mapping[str, Flagged]) -> _Row:
    mask = n_flags = 0
    disagrees = False
    for item in items:
        whom = Flagged.NOBODY if item.speaker is None else roles.get(item.speaker, Flagged.UNKNOWN)
        mask |= whom.bit
        n_flags += 1
        disagrees = disagrees or item.is_disagreement
    return {"roles": mask, "disagrees": disagrees, "n_flags": n_flags}


def _roles(connection: Connection, sids: Sequence[str]) -> Mapping[str, Mapping[str, Flagged]]:
    found: dict[str, dict[str, Flagged]] = defaultdict(dict)
    rows = connection.execute(
        select(PARTICIPANTS.c.room_sid, PARTICIPANTS.c.identity, PARTICIPANTS.c.role).where(
            PARTICIPANTS.c.room_sid.in_(list(sids)), PARTICIPANTS.c.role.is_not(None)
        )
    )
    for room_sid, identity, role in rows:
        found[room_sid][identity] = Flagged(role)
    return found


def _settle(connection: Connection, table: Table, sids: Sequence[str], rows: list[_Row]) -> None:
    """Write what differs: most changes of a hit change nothing in the queue."""
    key = [column.name for column in table.primary_key]
    there = {
        tuple(row[name] for name in key): dict(row)
        for row in connection.execute(select(table).where(table.c.room_sid.in_(sids))).mappings()
    }
    wanted = {tuple(row[name] for name in key): row for row in rows}
    gone = [each for each in there if wanted.get(each) != there[each]]
    new = [row for each, row in wanted.items() if there.get(each) != row]
    if table is QUEUE or len(gone) == len(there):
        old = sorted({str(there[each]["room_sid"]) for each in gone})
        if old:
            connection.execute(delete(table).where(table.c.room_sid.in_(old)))
    else:
        for each in gone:
            where = [table.c[name] == value for name, value in zip(key, each, strict=True)]
            connection.execute(delete(table).where(*where))
    if new:
        connection.execute(insert(table), new)
