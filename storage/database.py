"""The database: opened by address, used in transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from storage.engine import (
    READ_ONLY,
    describe,
    make_engine,
    make_sqlite_file,
    parse_url,
    translated,
    unopened,
)
from storage.errors import DatabaseOutdatedError
from storage.migration import SchemaState, migrate, schema_head, schema_state

__all__ = ["Connection", "Database", "open_database", "schema_status", "upgrade"]


class Database:
    """An open database. Safe to use from several threads, not over a fork.

    The query modules (`storage.calls`, `storage.hits`, ...) take the connection that `begin` gives.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __repr__(self) -> str:
        return f"Database({self.describe()})"

    @contextmanager
    def begin(self, *, read_only: bool = False) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back if it raises.

        Keep it short: on SQLite one writes at a time, and others wait.

        Args:
            read_only: Promise not to write; on SQLite, such a transaction waits for nobody.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
            DatabaseRefusedError: it refused a statement.
            StorageFullError: its disk is full.
        """
        try:
            with self._engine.connect() as connection:
                if read_only:
                    connection = connection.execution_options(**{READ_ONLY: True})
                with connection.begin():
                    if read_only and connection.dialect.name == "postgresql":
                        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                    yield connection
        except SQLAlchemyError as exc:
            # Drivers quote the values of rows, so their text is not passed on.
            raise translated(exc, self.describe()) from None

    def compact(self) -> bool:
        """Give back the room of deleted rows, so that their bytes do not stay in the files.

        SQLite's file is written anew, and its log emptied. PostgreSQL frees the room of the tables
        that our user owns; the server overwrites it when it is needed.

        Returns:
            False where another process is in the way; deleting again later does it.
        """
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            if self._engine.dialect.name == "sqlite":
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                row = cursor.fetchone()
                return row is not None and bool(row[0] == 0)
            connection.driver_connection.autocommit = True  # type: ignore[union-attr]
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM")
            return True
        except self._engine.dialect.loaded_dbapi.Error:
            return False
        finally:
            connection.invalidate()  # its settings are not those of the others
            connection.close()

    def describe(self) -> str:
        """Kind and place, without secrets."""
        return describe(self._engine.url)

    def close(self) -> None:
        """Close all connections. To be called once nobody is in a transaction."""
        self._engine.dispose()


def open_database(url: str, *, create: bool = False) -> Database:
    """Open a database and see that its schema is the one this code needs.

    An SQLite file is made and brought up to date here. A server's schema is only touched with
    `create`: several processes of different ages may be using it.

    Args:
        url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.
        create: Bring the schema up to date on PostgreSQL too.

    Raises:
        StorageUrlError: the address is malformed.
        DatabaseUnavailableError: the database cannot be reached or used.
        DatabaseOutdatedError: the schema is behind the code.
        DatabaseNewerError: the schema is ahead of the code.
    """
    parsed = parse_url(url)
    is_embedded = parsed.get_backend_name() == "sqlite"
    if is_embedded:
        make_sqlite_file(parsed)
    database = Database(make_engine(parsed))
    try:
        with database.begin(read_only=True) as connection:
            state = schema_state(connection)
        if not state.is_current:
            if not (create or is_embedded):
                has = f"has schema {state.current}" if state.current else "has no tables yet"
                raise DatabaseOutdatedError(
                    f"{database.describe()}: {has}, {state.head} is needed; run "
                    "`earmark db upgrade`"
                )
            with database.begin() as connection:
                migrate(connection)
    except BaseException:
        database.close()
        raise
    return database


def upgrade(url: str) -> SchemaState:
    """Bring a database's schema up to date; an SQLite file is made where it is missing.

    Returns:
        Where the schema stood before.

    Raises:
        StorageUrlError, DatabaseUnavailableError, DatabaseNewerError: as `open_database`.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        make_sqlite_file(parsed)
    database = Database(make_engine(parsed))
    try:
        with database.begin() as connection:
            return migrate(connection)
    finally:
        database.close()


def schema_status(url: str) -> tuple[str, SchemaState]:
    """See where a database's schema stands, changing nothing and making no file.

    Returns:
        The database's description, and its state.

    Raises:
        StorageUrlError, DatabaseUnavailableError, DatabaseNewerError: as `open_database`.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        try:
            Path(str(parsed.database)).stat()
        except FileNotFoundError:
            return describe(parsed), SchemaState(current=None, head=schema_head())
        except OSError as exc:
            raise unopened(parsed, exc) from None
    database = Database(make_engine(parsed))
    try:
        with database.begin(read_only=True) as connection:
            return database.describe(), schema_state(connection)
    finally:
        database.close()
