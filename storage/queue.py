"""The queue of flagged calls: filtered, sorted, a page at a time.

A page is put together from the first rows of several walks, one for each status and severity that
is asked for: each walks an index in the order of the page and stops at its length, so that a page
deep inside costs what the first one does. `storage.queue_walks` has the statements, and
`storage.queue_summary` tells where the rows come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, and_, select, text

from rules.types import Severity
from storage.errors import ReviewError
from storage.queue_filter import Cursor, QueueFilter, Shown, Sort
from storage.queue_summary import Flagged, Status
from storage.queue_walks import Shape, count_statement, page_statement, time_of
from storage.review_items import RANKS
from storage.review_tables import ASSIGNMENTS, QUEUE, QUEUE_REVIEWERS, REVIEW_CLAIMS
from storage.tables import CALLS

PAGE_CALLS = 50
COUNT_LIMIT = 1000
_MAX_PAGE_CALLS = 500
_SEVERITIES: Mapping[int, Severity] = MappingProxyType({rank: s for s, rank in RANKS.items()})


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
        shape = Shape.of(which, sort, after)
        statement = page_statement(shape, n_calls + 1)
        if statement is None:
            return QueuePage(calls=(), next=None)
        rows = self._connection.execute(statement, self._values(which, after)).all()
        shown = rows[:n_calls]
        following = None
        if len(rows) > n_calls:
            last = shown[-1]
            following = Cursor(
                severity_rank=last.severity_rank,
                at=getattr(last, time_of(sort)),
                room_sid=last.room_sid,
            )
        return QueuePage(calls=self.calls([row.room_sid for row in shown]), next=following)

    def count(self, which: QueueFilter, *, limit: int = COUNT_LIMIT) -> Count:
        """How many calls, counted up to a limit."""
        statement = count_statement(Shape.of(which, Sort.NEWEST, None), limit + 1)
        n_calls = 0
        if statement is not None:
            values = self._values(which, None)
            n_calls = self._connection.execute(statement, values).scalar_one()
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

    def _values(self, which: QueueFilter, after: Cursor | None) -> dict[str, object]:
        return {
            "now": self._now,
            "viewer": self._viewer,
            "rule_id": which.rule_id,
            "since": which.since,
            "until": which.until,
            "flagged": which.flagged.bit if which.flagged else None,
            "disagrees": which.disagrees,
            "assignee": which.assignee,
            "after_at": after.at if after else None,
            "after_sid": after.room_sid if after else None,
        }


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
