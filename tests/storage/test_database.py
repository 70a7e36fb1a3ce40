from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from storage import calls, hits
from storage.database import Database, open_database, schema_status, upgrade
from storage.errors import (
    DatabaseNewerError,
    DatabaseOutdatedError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    StorageError,
    StorageFullError,
    StorageUrlError,
)
from storage.migration import check, schema_head
from tests.servers.postgres import PostgresServer
from tests.storage.builders import NOW, call, hit

HIDDEN = "hidden-word"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        f"mysql://user:{HIDDEN}@host/name",
        f"sqlite+aiosqlite:///{HIDDEN}",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        f"postgresql://user:{HIDDEN}@host",
        f"postgresql+psycopg2://user:{HIDDEN}@host/name",
        f"postgresql://user:{HIDDEN}@host:port/name",
    ],
)
def test_bad_address(url: str) -> None:
    """An address that is none is bad input, and is not repeated: it may hold a password."""
    with pytest.raises(StorageUrlError, match="database_url") as caught:
        open_database(url)
    assert caught.value.exit_code == 2
    assert HIDDEN not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_schema_is_that_of_the_tables(database: Database) -> None:
    """The migrations make exactly the tables that the queries use."""
    with database.begin() as connection:
        check(connection)


def test_rollback(database: Database) -> None:
    """A block that raises leaves nothing behind."""
    with contextlib.suppress(ZeroDivisionError), database.begin() as connection:
        calls.save_call(connection, call())
        _ = 1 / 0
    with database.begin() as connection:
        assert calls.get_call(connection, "RM_1") is None


def test_read_only(database: Database) -> None:
    """A transaction that promised not to write sees what is committed."""
    with database.begin() as connection:
        calls.save_call(connection, call())
    with database.begin(read_only=True) as connection:
        assert calls.get_call(connection, "RM_1") == call()


def test_naive_times_are_refused(database: Database) -> None:
    """A wall time without a zone does not get in."""
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - the mistake that is tested
    with pytest.raises(StorageError), database.begin() as connection:
        calls.save_call(connection, call(created_at=naive))


def test_refused_row_is_not_quoted(database: Database) -> None:
    """A refused statement is told without the values of its row."""
    said = f"{HIDDEN} 4111 1111 1111 1111"
    with pytest.raises(DatabaseRefusedError) as caught, database.begin() as connection:
        connection.execute(
            text("INSERT INTO participants (room_sid, identity) VALUES ('RM_1', :said)"),
            {"said": said},
        )
    assert HIDDEN not in str(caught.value)
    assert caught.value.__suppress_context__


def test_opening_twice_changes_nothing(database_url: str) -> None:
    """Opening and upgrading again keep what is there."""
    first = open_database(database_url)
    with first.begin() as connection:
        calls.save_call(connection, call())
    assert upgrade(database_url).is_current
    second = open_database(database_url, create=True)
    with second.begin() as connection:
        assert calls.get_call(connection, "RM_1") == call()
    first.close()
    second.close()


def test_sqlite_file_is_private(tmp_path: Path) -> None:
    """The embedded database is made with its folder, readable by its owner only."""
    path = tmp_path / "new folder" / "earmark.db"
    open_database(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sqlite_settings(tmp_path: Path) -> None:
    """SQLite runs with a write-ahead log, foreign keys and full syncs."""
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.begin() as connection:
        values = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous")
        ]
        assert values == ["wal", 1, 2]
    database.close()


@pytest.mark.slow
def test_outdated_schema(postgres: PostgresServer) -> None:
    """On a server, an older schema is an error that says what to do; `create` does it."""
    url = postgres.new_database()
    with pytest.raises(DatabaseOutdatedError, match="`earmark db upgrade`") as caught:
        open_database(url)
    assert caught.value.exit_code == 3
    where, state = schema_status(url)
    assert (state.current, state.is_current) == (None, False)
    assert "earmark-test-secret" not in where
    assert upgrade(url).current is None
    opened = open_database(url)
    assert "earmark-test-secret" not in repr(opened)
    opened.close()


def test_newer_schema(database_url: str) -> None:
    """A schema that a later version made is not touched."""
    database = open_database(database_url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    try:
        for attempt in (open_database, upgrade, schema_status):
            with pytest.raises(DatabaseNewerError, match="install a newer Earmark"):
                attempt(database_url)
    finally:
        with database.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :head"), {"head": schema_head()}
            )
        database.close()


def test_status_makes_no_file(tmp_path: Path) -> None:
    """Asking for the status of an embedded database does not make it."""
    _, state = schema_status(f"sqlite:///{tmp_path / 'x.db'}")
    assert state.current is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def test_several_open_a_new_database(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Processes that start at once on an empty database all find it ready."""
    url = (
        f"sqlite:///{tmp_path / 'x.db'}"
        if kind == "sqlite"
        else request.getfixturevalue("postgres").new_database()
    )
    script = f"""
import sys
from storage.database import open_database
print("ready", flush=True)
sys.stdin.readline()
open_database({url!r}, create=True).close()
print("open")
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate() for process in processes] == [("open\n", "")] * 4


def test_read_then_write(database_url: str, database: Database) -> None:
    """Transactions that read before they write wait for each other, and none is refused."""
    with database.begin() as connection:
        calls.save_call(connection, call())
    start = threading.Barrier(3)

    def work() -> None:
        own = open_database(database_url)
        start.wait()
        try:
            for _ in range(20):
                with own.begin() as connection:
                    assert calls.get_call(connection, "RM_1") is not None
                    calls.end_call(connection, "RM_1", NOW)
        finally:
            own.close()

    with ThreadPoolExecutor(3) as pool:
        for worker in [pool.submit(work) for _ in range(3)]:
            worker.result()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"x" * 4096, "not an SQLite database"), (None, "cannot be opened: Is a directory")],
    ids=["other-file", "folder"],
)
def test_file_that_is_no_database(tmp_path: Path, content: bytes | None, said: str) -> None:
    """A file of another kind is named and left as it is."""
    path = tmp_path / "x.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(DatabaseUnavailableError, match=said):
        open_database(f"sqlite:///{path}")
    assert content is None or path.read_bytes() == content


def test_full_disk(tmp_path: Path) -> None:
    """A database that cannot grow says that space is missing, and keeps what it had."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    database = open_database(url)
    with database.begin() as connection:
        calls.save_call(connection, call())

    def fill() -> None:
        with database.begin() as connection:
            connection.execute(text("PRAGMA max_page_count = 1"))
            for n in range(2000):
                each = hit(id=f"h{n}", excerpt="*" * 500)
                hits.save_hit(connection, "RM_1", each, recorded_at=NOW)

    with pytest.raises(StorageFullError):
        fill()
    with database.begin() as connection:
        assert calls.get_call(connection, "RM_1") == call()
        assert hits.hits_of(connection, "RM_1") == ()
    database.close()


@pytest.mark.slow
@pytest.mark.timeout(60)  # for a while, not for ever
def test_locked_file(tmp_path: Path) -> None:
    """A writer waits for another's lock for a while, and then says so."""
    path = tmp_path / "x.db"
    database = open_database(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with database.begin(read_only=True) as connection:
        assert calls.get_call(connection, "RM_1") is None
    with pytest.raises(DatabaseUnavailableError, match="locked"), database.begin():
        pass
    other.close()
    database.close()


@pytest.mark.slow
def test_wrong_password(postgres: PostgresServer) -> None:
    """A refused password is said to be refused, and not shown."""
    with pytest.raises(DatabaseUnavailableError, match="user or password is wrong") as caught:
        open_database(postgres.url(password=HIDDEN))
    assert HIDDEN not in str(caught.value)


@pytest.mark.slow
def test_missing_database(postgres: PostgresServer) -> None:
    """A database that was never made on its server is said to be missing."""
    with pytest.raises(DatabaseUnavailableError, match="create it first"):
        open_database(postgres.url("nowhere"))


@pytest.mark.timeout(60)  # soon, not after the system's own minutes
def test_unreachable_server() -> None:
    """A server that is not there is given up soon, without showing the password."""
    with pytest.raises(DatabaseUnavailableError, match="connection refused") as caught:
        open_database(f"postgresql://user:{HIDDEN}@127.0.0.1:1/name")
    assert HIDDEN not in str(caught.value)
