"""Filters of the queue that people keep: their own, and those that leads share."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, or_, select

from storage.errors import ReviewError, ReviewMissingError
from storage.review_tables import SAVED_VIEWS

MAX_NAME_CHARS = 80
MAX_VIEWS = 50  # of one person
_MAX_QUERY_CHARS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A filter with a name."""

    view_id: str
    owner: str = field(repr=False)
    name: str
    query: Mapping[str, str]  # names and values of the queue page's address
    is_shared: bool
    saved_at: datetime  # UTC


def save_view(
    connection: Connection,
    *,
    owner: str,
    name: str,
    query: Mapping[str, str],
    is_shared: bool,
    now: datetime,
) -> SavedView:
    """Keep a view; one of theirs that has the name is replaced.

    Args:
        connection: In a transaction.
        owner: Who.
        name: Shown to those who may see it.
        query: Names and values of the queue page's address.
        is_shared: Whether everybody sees it; whether they may do so is for the caller to say.
        now: UTC.

    Raises:
        ReviewError: the name is empty or too long, the filter is too long, or they have too many.
    """
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_CHARS:
        raise ReviewError(f"a view needs a name of 1 to {MAX_NAME_CHARS} characters")
    if sum(len(key) + len(value) for key, value in query.items()) > _MAX_QUERY_CHARS:
        raise ReviewError("this view has too long a filter to be kept")
    mine = SAVED_VIEWS.c.owner == owner
    connection.execute(delete(SAVED_VIEWS).where(mine, SAVED_VIEWS.c.name == name))
    n_views = connection.execute(
        select(func.count()).select_from(SAVED_VIEWS).where(mine)
    ).scalar_one()
    if n_views >= MAX_VIEWS:
        raise ReviewError(f"you have {MAX_VIEWS} views already; delete one first")
    view = SavedView(
        view_id=f"view_{uuid.uuid4().hex[:16]}",
        owner=owner,
        name=name,
        query=MappingProxyType(dict(query)),
        is_shared=is_shared,
        saved_at=now,
    )
    row = {name: getattr(view, name) for name in SAVED_VIEWS.c.keys()}  # noqa: SIM118 - no dict
    connection.execute(insert(SAVED_VIEWS).values(row | {"query": dict(query)}))
    return view


def views_for(connection: Connection, person: str) -> tuple[SavedView, ...]:
    """Their own views and those that are shared, by name."""
    rows = connection.execute(
        select(SAVED_VIEWS)
        .where(_seen_by(person))
        .order_by(SAVED_VIEWS.c.name, SAVED_VIEWS.c.view_id)
    ).mappings()
    return tuple(_view(row) for row in rows)


def get_view(connection: Connection, view_id: str, person: str) -> SavedView:
    """A view that somebody may see.

    Raises:
        ReviewMissingError: there is none, or it is another's and not shared: which of the two is
            not told.
    """
    row = (
        connection.execute(
            select(SAVED_VIEWS).where(SAVED_VIEWS.c.view_id == view_id, _seen_by(person))
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise ReviewMissingError("there is no such view")
    return _view(row)


def delete_view(connection: Connection, view_id: str, person: str) -> None:
    """Delete a view of one's own.

    Raises:
        ReviewMissingError: they have none with this id.
    """
    where = (SAVED_VIEWS.c.view_id == view_id) & (SAVED_VIEWS.c.owner == person)
    if not connection.execute(delete(SAVED_VIEWS).where(where)).rowcount:
        raise ReviewMissingError("there is no such view of yours")


def _seen_by(person: str) -> ColumnElement[bool]:
    return or_(SAVED_VIEWS.c.owner == person, SAVED_VIEWS.c.is_shared)


def _view(row: RowMapping) -> SavedView:
    return SavedView(**{**row, "query": MappingProxyType(dict(row["query"]))})
