"""Databases and object stores: the embedded ones, and real servers where they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, open_database
from storage.objects import ObjectStore, open_objects
from storage.tables import METADATA
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """A database that all tests share, with its tables."""
    url = postgres.new_database()
    open_database(url, create=True).close()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database with tables, of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'earmark.db'}"
        open_database(url).close()
        yield url
        return
    url = request.getfixturevalue("postgres_url")
    yield url
    database = open_database(url)
    with database.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())
    database.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, empty database of each kind."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def s3_access(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server, with its credentials in the environment."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty object store of each kind."""
    if request.param == "folder":
        return open_objects(str(tmp_path / "objects"))
    server = request.getfixturevalue("s3_access")
    # A prefix of its own is an empty store.
    return open_objects(f"{server.url}/{tmp_path.name}", s3_endpoint_url=server.endpoint_url)
