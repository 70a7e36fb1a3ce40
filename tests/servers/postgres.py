"""A real PostgreSQL server on loopback, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psycopg

from tests.servers.ports import free_port

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_PASSWORD = "earmark-test-secret"


class _As(TypedDict, total=False):
    user: int
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """Where the server is, with its superuser."""

    port: int

    def url(self, database: str = "postgres", *, password: str = _PASSWORD) -> str:
        """The address of a database."""
        return f"postgresql://earmark:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database.

        Returns:
            Its address.
        """
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


def find_postgres() -> Path | None:
    """The folder of the newest PostgreSQL server's programs, None where there is none."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    if candidates:
        return candidates[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """Run PostgreSQL for the length of the block. As root, it runs as another user.

    Args:
        programs: Folder of initdb and postgres.
    """
    home = Path(tempfile.mkdtemp(prefix="earmark-pg-"))
    try:
        ids = _unprivileged()
        if ids:
            os.chown(home, ids["user"], ids["group"])
        data = home / "data"
        secret = home / "secret"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [
                str(programs / "initdb"),
                *("--pgdata", str(data), "--username", "earmark", "--pwfile", str(secret)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=home,
            **ids,
        )
        process, port = _start(programs, home, data, ids)
        try:
            yield PostgresServer(port=port)
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown: clients are cut off
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(programs: Path, home: Path, data: Path, ids: _As) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(3):  # somebody may take the port before the server does
        port = free_port()
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(str(programs / "postgres"), "-D", str(data), "-p", str(port)),
                    *("-h", "127.0.0.1", "-c", "unix_socket_directories="),
                    # The data dies with the test; durability is PostgreSQL's own business.
                    *("-c", "fsync=off", "-c", "max_connections=40"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=home,
                **ids,
            )
        server = PostgresServer(port=port)
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                psycopg.connect(server.url(), connect_timeout=2).close()
                return process, port
            except psycopg.OperationalError:
                time.sleep(0.1)
        if process.poll() is None:
            process.kill()
            process.wait()
    raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text()[-500:]}")


def _unprivileged() -> _As:
    """Whom to run as: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid}
    raise RuntimeError("PostgreSQL does not run as root, and there is no user postgres or nobody")
