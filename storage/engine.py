"""Engines of SQLAlchemy for both databases, and what their failures mean in our words."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from storage.errors import (
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StorageError,
    StorageFullError,
    StorageUrlError,
)

BUSY_TIMEOUT_S = 15
_CONNECT_TIMEOUT_S = 5
_STATEMENT_TIMEOUT_S = 30
_POOL_TIMEOUT_S = 15
_POSTGRES_DRIVER = "postgresql+psycopg"
_POSTGRES_NAMES = frozenset({"postgres", "postgresql", _POSTGRES_DRIVER})
_SQLITE_NAMES = frozenset({"sqlite", "sqlite+pysqlite"})
# Execution option of a connection that will not write.
READ_ONLY = "earmark_read_only"


def parse_url(text: str) -> URL:
    """The address of a database, in the form that this house uses.

    Raises:
        StorageUrlError: it is malformed, or of a database that is not supported. The message does
            not show it, since it may hold a password.
    """
    try:
        url = sqlalchemy.make_url(text)
    except (ArgumentError, ValueError):
        raise StorageUrlError(
            "database_url: is not an address; write sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if url.drivername in _SQLITE_NAMES:
        if not url.database or url.database == ":memory:" or url.query or url.host:
            raise StorageUrlError(
                "database_url: SQLite needs a file, sqlite:///relative.db or sqlite:////absolute.db"
            )
        return url
    if url.drivername in _POSTGRES_NAMES:
        if not url.database:
            raise StorageUrlError("database_url: PostgreSQL needs a name, postgresql://HOST/NAME")
        return url.set(drivername=_POSTGRES_DRIVER)
    raise StorageUrlError("database_url: only sqlite and postgresql are supported")


def describe(url: URL) -> str:
    """Kind and place of a database, without user and password."""
    if url.get_backend_name() == "sqlite":
        return f"SQLite {Path(str(url.database)).absolute()}"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL {url.host or 'local socket'}{port}/{url.database}"


def make_engine(url: URL) -> Engine:
    """An engine whose transactions begin when they say so; nothing is opened yet.

    Raises:
        DatabaseUnavailableError: the PostgreSQL driver is not installed.
    """
    # hide_parameters: SQLAlchemy would write the values of rows into its messages.
    if url.get_backend_name() == "sqlite":
        engine = sqlalchemy.create_engine(
            url,
            hide_parameters=True,
            pool_timeout=_POOL_TIMEOUT_S,
            connect_args={"timeout": BUSY_TIMEOUT_S},
        )
        event.listen(engine, "connect", _on_sqlite_connect)
        event.listen(engine, "begin", _on_sqlite_begin)
        return engine
    try:
        engine = sqlalchemy.create_engine(
            url,
            hide_parameters=True,
            pool_timeout=_POOL_TIMEOUT_S,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S} | dict(url.query),
        )
    except ImportError:
        raise DatabaseUnavailableError(
            "PostgreSQL needs its driver; install it with `pip install 'earmark[scale]'`"
        ) from None
    event.listen(engine, "connect", _on_postgres_connect)
    return engine


def make_sqlite_file(url: URL) -> None:
    """Make the file of an embedded database, readable by its owner only, unless it is there.

    Raises:
        DatabaseUnavailableError: the folder cannot be made or written.
    """
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise unopened(url, exc) from None


def unopened(url: URL, exc: OSError) -> DatabaseUnavailableError:
    """Our error for a file that the system does not let us have."""
    return DatabaseUnavailableError(f"{describe(url)}: cannot be opened: {exc.strerror}")


def translated(exc: SQLAlchemyError, where: str) -> StorageError:
    """Our error for one of SQLAlchemy's, without what the driver wrote.

    Args:
        exc: As it was raised.
        where: The database, as `describe` names it.
    """
    if isinstance(exc, PoolTimeoutError):
        return DatabaseUnavailableError(f"{where}: all connections are in use")
    if not isinstance(exc, DBAPIError):
        return DatabaseRefusedError(f"{where}: a statement failed ({type(exc).__name__})")
    code = _code(exc.orig)
    if code in {"SQLITE_FULL", "53100"}:
        return StorageFullError(f"{where}: no space is left; free some")
    if code in {"28P01", "28000"}:
        return DatabaseUnavailableError(f"{where}: user or password is wrong")
    if code == "3D000":
        return DatabaseUnavailableError(f"{where}: there is no such database; create it first")
    if code == "SQLITE_NOTADB":
        return DatabaseUnavailableError(f"{where}: the file is not an SQLite database")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DatabaseUnavailableError(f"{where}: locked by another process for too long")
    if code.startswith("08") or isinstance(exc, InterfaceError | OperationalError):
        return DatabaseUnavailableError(f"{where}: cannot be used ({code})")
    return DatabaseRefusedError(f"{where}: a statement was refused ({code})")


def _code(orig: BaseException | None) -> str:
    """The driver's own code: SQLSTATE, SQLite's name, or else the class of the error."""
    if isinstance(orig, sqlite3.Error):
        name = getattr(orig, "sqlite_errorname", None)
        return name if isinstance(name, str) else type(orig).__name__
    state = getattr(orig, "sqlstate", None)
    if isinstance(state, str):
        return state
    # libpq gives no code for a connection that failed, and its text names the user.
    text = str(orig).lower()
    if "password authentication failed" in text:
        return "28P01"
    if "does not exist" in text and "database" in text:
        return "3D000"
    if "timeout" in text:
        return "connection timed out"
    if "refused" in text:
        return "connection refused"
    return type(orig).__name__


def _on_sqlite_connect(connection: Any, record: object) -> None:
    # The driver would begin transactions on its own, and late.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: what was acknowledged survives a power cut, not only the death of the process.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _on_sqlite_begin(connection: Connection) -> None:
    # A transaction that reads and then writes would fail at once, without waiting, if another wrote
    # in between: so whoever may write takes the write lock first.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _on_postgres_connect(connection: Any, record: object) -> None:
    connection.execute(f"SET statement_timeout = '{_STATEMENT_TIMEOUT_S}s'")
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_STATEMENT_TIMEOUT_S * 4}s'")
    connection.commit()
