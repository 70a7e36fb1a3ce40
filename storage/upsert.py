"""Insert, or settle with the row that is there: one statement, safe among several writers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row unless its primary key is there.

    Returns:
        Whether it was inserted.
    """
    key = list(table.primary_key)
    # RETURNING, since the count of inserted rows is not told by every driver.
    statement = (
        _insert(connection, table, row).on_conflict_do_nothing(index_elements=key).returning(*key)
    )
    return connection.execute(statement).first() is not None


def upsert(
    connection: Connection,
    table: Table,
    row: Mapping[str, object],
    *,
    keep: Iterable[str] = (),
    earliest: Iterable[str] = (),
) -> None:
    """Insert a row, or overwrite the one with its primary key.

    Args:
        connection: In a transaction.
        table: With a primary key.
        row: All columns.
        keep: Columns whose stored value stays where the new one is NULL.
        earliest: Columns of which the smaller value stays; NULL gives way to any other.
    """
    statement = _insert(connection, table, row)
    key = [column.name for column in table.primary_key]
    changes: dict[str, object] = {}
    for name in row:
        if name in key:
            continue
        new, old = statement.excluded[name], table.c[name]
        if name in keep:
            changes[name] = func.coalesce(new, old)
        elif name in earliest:
            # SQLite has no LEAST; min() of two arguments is its name for it, with NULL winning.
            least = func.min if connection.dialect.name == "sqlite" else func.least
            changes[name] = least(func.coalesce(new, old), func.coalesce(old, new))
        else:
            changes[name] = new
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changes))


def _insert(
    connection: Connection, table: Table, row: Mapping[str, object]
) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).values(row)
    return postgresql.insert(table).values(row)
