"""The queue of flagged calls: filtered, sorted, a page at a time.

A page is put together from the first rows of several walks, one for each status and severity that
is asked for: each walks an index in the order of the page and stops at its length, so that a page
deep inside costs what the first one does. See `storage.queue_summary` for where the rows come from.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    func,
    literal,
    select,
    text,
    tuple_,
    union_all,
)

from rules.types import Severity
from storage.columns import UtcDateTime
from storage.errors import ReviewError
from storage.queue_summary import Flagged, Status
from storage.review_items import RANKS
from storage.review_tables import (
    ASSIGNMENTS,
    QUEUE,
    QUEUE_REVIEWERS,
    QUEUE_RULES,
    REVIEW_CLAIMS,
)
from storage.tables import CALLS

PAGE_CALLS = 50
COUNT_LIMIT = 1000
_MAX_PAGE_CALLS = 500
_SEVERITIES: Mapping[int, Severity] = MappingProxyType({rank: s for s, rank in RANKS.items()})


class Shown(StrEnum):
    """What the queue shows by status: as stored, and who is at it now."""

    OPEN = Status.OPEN.value
    CLAIMED = "claimed"  # somebody is at it; it is none of the others meanwhile
    REVIEWED = Status.REVIEWED.value
    ESCALATED = Status.ESCALATED.value
    ADJUDICATION = Status.ADJUDICATION.value


class Sort(StrEnum):
    """In which order."""

    SEVERITY = "severity"  # worst first, of those the one that waits longest
    NEWEST = "newest"  # by the beginning of the call
    WAITING = "waiting"  # longest first


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which calls. What is None or empty leaves none out."""

    status: Shown | None = Shown.OPEN
    rule_id: str | None = None
    min_severity: Severity | None = None  # of the call's worst flag
    since: datetime | None = None  # UTC; by the beginning of the call
    until: datetime | None = None  # UTC, excluded
    flagged: Flagged | None = None  # whom a flag is about; with a rule, a flag of that rule
    disagrees: bool | None = None  # live side and audit; with a rule, about that rule
    assignee: str | None = None
    is_assigned: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Behind which row a page begins."""

    severity_rank: int
    at: datetime  # UTC; what the order goes by
    room_sid: str

    def to_text(self) -> str:
        """For an address; ids and times only."""
        parts = [self.severity_rank, self.at.isoformat(), self.room_sid]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Cursor:
        """What `to_text` wrote.

        Raises:
            ReviewError: it is something else.
        """
        try:
            padded = text.encode() + b"=" * (-len(text) % 4)
            rank, at, room_sid = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if type(rank) is not int or not isinstance(room_sid, str):
                raise ValueError
            return cls(
                severity_rank=rank,
                at=datetime.fromisoformat(at).astimezone(UTC),
                room_sid=room_sid,
            )
        except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError):
            raise ReviewError("the page's place in the queue cannot be read; start anew") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCall:
    """A row of the queue."""

    room_sid: str
    status: Status
    severity: Severity  # of the worst flag
    began_at: datetime  # UTC
    waiting_since: datetime  # UTC
    duration_s: float | None  # None while it lasts, or if nobody saw its end
    flagged: tuple[Flagged, ...]
    disagrees: bool
    worst_rule_id: str
    n_flags: int
    n_live: int
    n_audit: int
    n_rules: int
    claimed_by: str | None  # who is at it now
    claimed_until: datetime | None  # UTC
    assignee: str | None
    is_done_by_viewer: bool  # they judged every flag

    @property
    def shown(self) -> Shown:
        """The status that the filter goes by."""
        return Shown.CLAIMED if self.claimed_by is not None else Shown(self.status.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """A page, and where the next one begins."""

    calls: tuple[QueuedCall, ...]
    next: Cursor | None  # None on the last page


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many calls there are, or that there are more than anybody counted."""

    n_calls: int
    is_exact: bool


class Queue:
    """Reads the queue as one person sees it at one moment.

    Args:
        connection: In a transaction.
        now: UTC; leases that are out by then count for nothing.
        viewer: Who looks. Open calls that they have judged themselves are not shown to them as
            open, and nobody else's verdicts can be told from what they see.
    """

    def __init__(self, connection: Connection, *, now: datetime, viewer: str) -> None:
        self._connection = connection
        self._now = now
        self._viewer = viewer

    def page(
        self,
        which: QueueFilter,
        *,
        sort: Sort = Sort.SEVERITY,
        after: Cursor | None = None,
        n_calls: int = PAGE_CALLS,
    ) -> QueuePage:
        """One page.

        Args:
            which: Of which calls.
            sort: In which order.
            after: The `next` of the page before; None for the first.
            n_calls: How many at most, up to 500.

        Raises:
            ReviewError: more calls are asked for than a page holds.
        """
        if not 1 <= n_calls <= _MAX_PAGE_CALLS:
            raise ReviewError(f"a page of the queue holds 1 to {_MAX_PAGE_CALLS} calls")
        walks = [
            walk.order_by(*_order(walk, sort)).limit(n_calls + 1)
            for walk in self._walks(which, sort, after)
        ]
        if not walks:
            return QueuePage(calls=(), next=None)
        merged = union_all(*(select(walk.subquery()) for walk in walks)).subquery()
        rows = self._connection.execute(
            select(merged).order_by(*_order(merged, sort)).limit(n_calls + 1)
        ).all()
        shown = rows[:n_calls]
        following = None
        if len(rows) > n_calls:
            last = shown[-1]
            following = Cursor(
                severity_rank=last.severity_rank,
                at=getattr(last, _time(sort)),
                room_sid=last.room_sid,
            )
        return QueuePage(calls=self.calls([row.room_sid for row in shown]), next=following)

    def count(self, which: QueueFilter, *, limit: int = COUNT_LIMIT) -> Count:
        """How many calls, counted up to a limit."""
        walks = [
            select(walk.limit(limit + 1).subquery().c.room_sid)
            for walk in self._walks(which, Sort.NEWEST, None)
        ]
        if not walks:
            return Count(n_calls=0, is_exact=True)
        some = select(union_all(*walks).subquery()).limit(limit + 1).subquery()
        n_calls = self._connection.execute(select(func.count()).select_from(some)).scalar_one()
        return Count(n_calls=min(n_calls, limit), is_exact=n_calls <= limit)

    def calls(self, room_sids: list[str]) -> tuple[QueuedCall, ...]:
        """These calls, in this order; those that are not in the queue are left out."""
        rows = self._connection.execute(
            select(
                QUEUE,
                CALLS.c.created_at,
                CALLS.c.ended_at,
                REVIEW_CLAIMS.c.reviewer,
                REVIEW_CLAIMS.c.lease_until,
                ASSIGNMENTS.c.assignee,
                QUEUE_REVIEWERS.c.reviewer.label("done_by"),
            )
            .outerjoin(CALLS, CALLS.c.room_sid == QUEUE.c.room_sid)
            .outerjoin(
                REVIEW_CLAIMS,
                and_(
                    REVIEW_CLAIMS.c.room_sid == QUEUE.c.room_sid,
                    REVIEW_CLAIMS.c.lease_until > self._now,
                ),
            )
            .outerjoin(ASSIGNMENTS, ASSIGNMENTS.c.room_sid == QUEUE.c.room_sid)
            .outerjoin(
                QUEUE_REVIEWERS,
                and_(
                    QUEUE_REVIEWERS.c.room_sid == QUEUE.c.room_sid,
                    QUEUE_REVIEWERS.c.reviewer == self._viewer,
                ),
            )
            .where(QUEUE.c.room_sid.in_(room_sids))
        )
        found = {row.room_sid: _call(row) for row in rows}
        return tuple(found[room_sid] for room_sid in room_sids if room_sid in found)

    def find(self, room_sid: str) -> QueuedCall | None:
        """One call, None where nothing is flagged on it."""
        return next(iter(self.calls([room_sid])), None)

    def rule_ids(self) -> tuple[str, ...]:
        """All rules that flag a call."""
        # One step in the index a rule: DISTINCT would walk all of it.
        rows = self._connection.execute(
            text(
                "WITH RECURSIVE each_rule(rule_id) AS ("
                "SELECT min(rule_id) FROM queue_rules UNION ALL "
                "SELECT (SELECT min(q.rule_id) FROM queue_rules q "
                "WHERE q.rule_id > each_rule.rule_id) "
                "FROM each_rule WHERE each_rule.rule_id IS NOT NULL) "
                "SELECT rule_id FROM each_rule WHERE rule_id IS NOT NULL ORDER BY rule_id"
            )
        )
        return tuple(rows.scalars())

    def _walks(self, which: QueueFilter, sort: Sort, after: Cursor | None) -> Iterable[Select[Any]]:
        table = QUEUE if which.rule_id is None else QUEUE_RULES
        lowest = RANKS[which.min_severity] if which.min_severity else 1
        base = (
            select(table.c.room_sid, table.c.severity_rank, table.c.began_at, table.c.waiting_since)
            .select_from(self._source(table, which))
            .where(*self._conditions(table, which))
        )
        for status in _stored(which.status):
            for rank in sorted(_SEVERITIES, reverse=True):
                where = [table.c.status == status.value, table.c.severity_rank == rank]
                if rank < lowest:
                    break
                if after is not None:
                    if sort is Sort.SEVERITY and rank > after.severity_rank:
                        continue
                    if sort is not Sort.SEVERITY or rank == after.severity_rank:
                        where.append(_behind(table, sort, after))
                if status is Status.OPEN and which.status is Shown.OPEN:
                    where.append(table.c.room_sid.not_in(self._judged(table)))
                yield base.where(*where)

    def _source(self, table: FromClause, which: QueueFilter) -> FromClause:
        source = table
        if which.status is Shown.CLAIMED:
            source = source.join(REVIEW_CLAIMS, REVIEW_CLAIMS.c.room_sid == table.c.room_sid)
        if which.assignee is not None:
            source = source.join(ASSIGNMENTS, ASSIGNMENTS.c.room_sid == table.c.room_sid)
        return source

    def _conditions(self, table: FromClause, which: QueueFilter) -> Iterable[ColumnElement[bool]]:
        if which.rule_id is not None:
            yield table.c.rule_id == which.rule_id
        if which.status is Shown.CLAIMED:
            yield REVIEW_CLAIMS.c.lease_until > self._now
        elif which.status is not None:
            at_work = select(REVIEW_CLAIMS.c.room_sid).where(
                REVIEW_CLAIMS.c.lease_until > self._now
            )
            yield table.c.room_sid.not_in(at_work)
        if which.since is not None:
            yield table.c.began_at >= which.since
        if which.until is not None:
            yield table.c.began_at < which.until
        if which.flagged is not None:
            yield table.c.roles.bitwise_and(which.flagged.bit) != 0
        if which.disagrees is not None:
            yield table.c.disagrees.is_(which.disagrees)
        if which.assignee is not None:
            yield ASSIGNMENTS.c.assignee == which.assignee
        elif which.is_assigned is not None:
            assigned = table.c.room_sid.in_(select(ASSIGNMENTS.c.room_sid))
            yield assigned if which.is_assigned else ~assigned

    def _judged(self, table: FromClause) -> Select[Any]:
        return (
            select(QUEUE_REVIEWERS.c.room_sid)
            .where(
                QUEUE_REVIEWERS.c.room_sid == table.c.room_sid,
                QUEUE_REVIEWERS.c.reviewer == self._viewer,
            )
            .correlate(table)
        )


def _stored(shown: Shown | None) -> tuple[Status, ...]:
    if shown is None or shown is Shown.CLAIMED:
        return tuple(Status)
    return (Status(shown.value),)


def _time(sort: Sort) -> str:
    return "began_at" if sort is Sort.NEWEST else "waiting_since"


def _order(table: Any, sort: Sort) -> tuple[ColumnElement[Any], ...]:
    columns = table.selected_columns if isinstance(table, Select) else table.c
    if sort is Sort.NEWEST:
        return (columns.began_at.desc(), columns.room_sid.desc())
    keys = (columns.waiting_since.asc(), columns.room_sid.asc())
    return (columns.severity_rank.desc(), *keys) if sort is Sort.SEVERITY else keys


def _behind(table: FromClause, sort: Sort, after: Cursor) -> ColumnElement[bool]:
    keys = tuple_(table.c[_time(sort)], table.c.room_sid)
    place = tuple_(literal(after.at, UtcDateTime()), literal(after.room_sid))
    return keys < place if sort is Sort.NEWEST else keys > place


def _call(row: Any) -> QueuedCall:
    lasted = (row.ended_at - row.created_at).total_seconds() if row.ended_at else None
    return QueuedCall(
        room_sid=row.room_sid,
        status=Status(row.status),
        severity=_SEVERITIES[row.severity_rank],
        began_at=row.began_at,
        waiting_since=row.waiting_since,
        duration_s=None if lasted is None else max(0.0, lasted),
        flagged=tuple(each for each in Flagged if each.bit & row.roles),
        disagrees=row.disagrees,
        worst_rule_id=row.worst_rule_id,
        n_flags=row.n_flags,
        n_live=row.n_live,
        n_audit=row.n_audit,
        n_rules=row.n_rules,
        claimed_by=row.reviewer,
        claimed_until=row.lease_until,
        assignee=row.assignee,
        is_done_by_viewer=row.done_by is not None,
    )


__all__ = [
    "COUNT_LIMIT",
    "PAGE_CALLS",
    "Count",
    "Cursor",
    "Queue",
    "QueueFilter",
    "QueuePage",
    "QueuedCall",
    "Shown",
    "Sort",
]
