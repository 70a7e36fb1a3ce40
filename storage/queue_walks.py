"""The statements behind a page of the queue: walks of an index, one a status and severity.

Statements are made once for each shape of a filter and kept, since making one with twenty walks
takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    tuple_,
    union_all,
)

from storage.columns import UtcDateTime
from storage.queue_filter import Cursor, QueueFilter, Shown, Sort
from storage.queue_summary import Status
from storage.review_items import RANKS
from storage.review_tables import (
    ASSIGNMENTS,
    QUEUE,
    QUEUE_REVIEWERS,
    QUEUE_RULES,
    REVIEW_CLAIMS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a filter decides the statement, and not only its values."""

    sort: Sort
    status: Shown | None
    lowest_rank: int
    after_rank: int | None  # None = from the beginning
    has_rule: bool
    has_since: bool
    has_until: bool
    has_flagged: bool
    has_disagrees: bool
    has_assignee: bool
    is_assigned: bool | None

    @classmethod
    def of(cls, which: QueueFilter, sort: Sort, after: Cursor | None) -> Shape:
        """The shape of a page."""
        after_rank = None
        if after is not None:  # other orders do not go by it
            after_rank = after.severity_rank if sort is Sort.SEVERITY else 0
        return cls(
            sort=sort,
            status=which.status,
            lowest_rank=RANKS[which.min_severity] if which.min_severity else 1,
            after_rank=after_rank,
            has_rule=which.rule_id is not None,
            has_since=which.since is not None,
            has_until=which.until is not None,
            has_flagged=which.flagged is not None,
            has_disagrees=which.disagrees is not None,
            has_assignee=which.assignee is not None,
            is_assigned=which.is_assigned if which.assignee is None else None,
        )


@lru_cache(maxsize=512)
def page_statement(shape: Shape, n_calls: int) -> Select[Any] | None:
    """The first calls of a shape in its order; None where none can fit.

    The statement takes `now`, `viewer`, and the values of what the shape has.
    """
    walks = [
        walk.order_by(*_order(walk.selected_columns, shape.sort)).limit(n_calls)
        for walk in _walks(shape)
    ]
    if not walks:
        return None
    merged = union_all(*(select(walk.subquery()) for walk in walks)).subquery()
    return select(merged).order_by(*_order(merged.c, shape.sort)).limit(n_calls)


@lru_cache(maxsize=512)
def count_statement(shape: Shape, limit: int) -> Select[Any] | None:
    """How many calls there are of a shape, up to a limit; None where none can fit."""
    walks = [select(walk.limit(limit).subquery().c.room_sid) for walk in _walks(shape)]
    if not walks:
        return None
    some = select(union_all(*walks).subquery()).limit(limit).subquery()
    return select(func.count()).select_from(some)


def time_of(sort: Sort) -> str:
    """The column of the time that an order goes by."""
    return "began_at" if sort is Sort.NEWEST else "waiting_since"


def _walks(shape: Shape) -> Iterator[Select[Any]]:
    table = QUEUE_RULES if shape.has_rule else QUEUE
    base = (
        # No more than the index holds, so that the table is not looked at.
        select(table.c.room_sid, table.c.severity_rank, table.c[time_of(shape.sort)])
        .select_from(_source(table, shape))
        .where(*_conditions(table, shape))
    )
    if shape.status is Shown.CLAIMED or shape.has_assignee:
        # A few calls that another index finds: one look at them all.
        yield base.where(*_among_few(table, shape))
        return
    for status in _stored(shape.status):
        for rank in sorted(RANKS.values(), reverse=True):
            where = [table.c.status == status.value, table.c.severity_rank == rank]
            if rank < shape.lowest_rank:
                break
            if shape.after_rank is not None:
                if shape.sort is Sort.SEVERITY and rank > shape.after_rank:
                    continue
                if shape.sort is not Sort.SEVERITY or rank == shape.after_rank:
                    where.append(_behind(table, shape.sort))
            if shape.status is Shown.OPEN:
                where.append(~_is_judged(table))
            yield base.where(*where)


def _among_few(table: FromClause, shape: Shape) -> Iterator[ColumnElement[bool]]:
    # SQLite takes an index of the queue for these, however many calls it finds, unless they are
    # hidden from it.
    yield func.coalesce(table.c.severity_rank, 0) >= shape.lowest_rank
    if shape.status not in {None, Shown.CLAIMED}:
        yield func.coalesce(table.c.status, "").in_(
            [status.value for status in _stored(shape.status)]
        )
    if shape.status is Shown.OPEN:
        yield ~_is_judged(table)
    if shape.after_rank is not None:
        behind = _behind(table, shape.sort)
        if shape.sort is Sort.SEVERITY:
            rank = table.c.severity_rank
            behind = or_(rank < shape.after_rank, and_(rank == shape.after_rank, behind))
        yield behind


def _stored(shown: Shown | None) -> tuple[Status, ...]:
    if shown is None or shown is Shown.CLAIMED:
        return tuple(Status)
    return (Status(shown.value),)


def _source(table: FromClause, shape: Shape) -> FromClause:
    source = table
    if shape.status is Shown.CLAIMED:
        source = source.join(REVIEW_CLAIMS, REVIEW_CLAIMS.c.room_sid == table.c.room_sid)
    if shape.has_assignee:
        source = source.join(ASSIGNMENTS, ASSIGNMENTS.c.room_sid == table.c.room_sid)
    return source


def _conditions(table: FromClause, shape: Shape) -> Iterator[ColumnElement[bool]]:
    if shape.has_rule:
        yield table.c.rule_id == bindparam("rule_id", type_=Text())
    if shape.status is Shown.CLAIMED:
        yield REVIEW_CLAIMS.c.lease_until > _moment("now")
    elif shape.status is not None:
        at_work = REVIEW_CLAIMS.c.lease_until > _moment("now")
        yield table.c.room_sid.not_in(select(REVIEW_CLAIMS.c.room_sid).where(at_work))
    if shape.has_since:
        yield table.c.began_at >= _moment("since")
    if shape.has_until:
        yield table.c.began_at < _moment("until")
    if shape.has_flagged:
        yield table.c.roles.bitwise_and(bindparam("flagged", type_=Integer())) != 0
    if shape.has_disagrees:
        yield table.c.disagrees == bindparam("disagrees", type_=Boolean())
    if shape.has_assignee:
        yield ASSIGNMENTS.c.assignee == bindparam("assignee", type_=Text())
    elif shape.is_assigned is not None:
        assigned = table.c.room_sid.in_(select(ASSIGNMENTS.c.room_sid))
        yield assigned if shape.is_assigned else ~assigned


def _is_judged(table: FromClause) -> ColumnElement[bool]:
    return (
        select(QUEUE_REVIEWERS.c.room_sid)
        .where(
            QUEUE_REVIEWERS.c.room_sid == table.c.room_sid,
            QUEUE_REVIEWERS.c.reviewer == bindparam("viewer", type_=Text()),
        )
        .correlate(table)
        .exists()
    )


def _order(columns: Any, sort: Sort) -> tuple[ColumnElement[Any], ...]:
    if sort is Sort.NEWEST:
        return (columns.began_at.desc(), columns.room_sid.desc())
    keys = (columns.waiting_since.asc(), columns.room_sid.asc())
    return (columns.severity_rank.desc(), *keys) if sort is Sort.SEVERITY else keys


def _behind(table: FromClause, sort: Sort) -> ColumnElement[bool]:
    keys = tuple_(table.c[time_of(sort)], table.c.room_sid)
    place = tuple_(_moment("after_at"), bindparam("after_sid", type_=Text()))
    return keys < place if sort is Sort.NEWEST else keys > place


def _moment(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=UtcDateTime())
