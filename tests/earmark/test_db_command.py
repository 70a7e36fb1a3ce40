"""`earmark db`: what it prints, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.migration import schema_head
from tests.earmark.command import InProcess
from tests.servers.postgres import PostgresServer

HEAD = schema_head()


class Db(InProcess):
    """`earmark db`, in this process."""

    def __call__(
        self, *arguments: str, url: str | None = None, **more: str
    ) -> tuple[int, str, str]:
        """Exit code, standard output and error, on the database at `url`."""
        given = {} if url is None else {"EARMARK_DATABASE_URL": url}
        return super().__call__(*arguments, **given, **more)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Db:
    """The command, in an empty folder and without settings."""
    monkeypatch.chdir(tmp_path)
    return Db(subcommand="db", monkeypatch=monkeypatch, capsys=capsys)


def test_embedded_database(run: Db, tmp_path: Path) -> None:
    """Without settings, the file in the data folder is made, and a second upgrade does nothing."""
    path = tmp_path / "earmark-data" / "earmark.db"
    needed = f"SQLite {path}: has no tables yet, {HEAD} is needed; run `earmark db upgrade`.\n"
    assert run("status") == (1, needed, "")
    assert not path.parent.exists()
    assert run("upgrade") == (0, f"SQLite {path}: upgraded from empty to {HEAD}.\n", "")
    assert run("upgrade") == (0, f"SQLite {path}: was up to date (schema {HEAD}).\n", "")
    assert run("status") == (0, f"SQLite {path}: up to date (schema {HEAD}).\n", "")


def test_json(run: Db, tmp_path: Path) -> None:
    """`--json` prints one JSON line and nothing else."""
    where = f"SQLite {tmp_path / 'x.db'}"
    url = f"sqlite:///{tmp_path / 'x.db'}"
    code, out, err = run("upgrade", "--json", url=url)
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "type": "schema", "database": where, "before": None, "after": HEAD,
        "queued": 0
    }  # fmt: skip
    code, out, err = run("status", "--json", url=url)
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "type": "schema", "database": where, "current": HEAD, "head": HEAD, "is_current": True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        pytest.param("nonsense", 2, "database_url: is not an address", id="malformed"),
        pytest.param("mysql://u:hidden@h/d", 2, "only sqlite and postgresql", id="unsupported"),
        pytest.param(
            "postgresql://u:hidden@127.0.0.1:1/d", 3, "connection refused", id="unreachable"
        ),
        pytest.param("sqlite:////dev/null/x.db", 3, "cannot be opened", id="no-folder"),
    ],
)
def test_wrong_address(run: Db, url: str, code: int, said: str) -> None:
    """A wrong address is one sentence on stderr, an exit code, and no password."""
    for subcommand in ("upgrade", "status"):
        got, out, err = run(subcommand, url=url)
        assert (got, out) == (code, "")
        assert said in err
        assert err.startswith("earmark: ")
        assert err.count("\n") == 1
        assert "hidden" not in err


@pytest.mark.parametrize("arguments", [(), ("--help",), ("upgrade", "--help")])
def test_help(run: Db, arguments: tuple[str, ...]) -> None:
    """The help says when to run what."""
    _, out, err = run(*(arguments or ("--help",)))
    assert "earmark db upgrade" in out + err
    assert "EARMARK_DATABASE_URL" in out + err


@pytest.mark.slow
def test_postgres(run: Db, postgres: PostgresServer) -> None:
    """On a server the upgrade makes the tables, and the password is never shown."""
    url = postgres.new_database()
    where = f"PostgreSQL 127.0.0.1:{postgres.port}/{url.rpartition('/')[2]}"
    assert run("status", url=url)[0] == 1
    assert run("upgrade", url=url) == (0, f"{where}: upgraded from empty to {HEAD}.\n", "")
    assert run("status", url=url) == (0, f"{where}: up to date (schema {HEAD}).\n", "")
