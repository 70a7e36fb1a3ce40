"""Servers that tests share, and the rule that in CI nothing is skipped unseen."""

import logging
import os
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from realtime.devserver import DevServer, running_livekit_server
from scripts.tools import find_tool
from tests.servers.oidc import OidcServer, running_oidc_provider
from tests.servers.postgres import PostgresServer, find_postgres, running_postgres
from tests.servers.s3 import S3Server, running_versitygw

pytest_plugins = ["pytester"]

ALLOWED_SKIPS = Path(__file__).parent / "allowed_skips.toml"


def unexplained_skips(skipped: list[str], allowed: dict[str, str]) -> list[str]:
    """Skipped tests that no pattern of the list explains."""
    return [id_ for id_ in skipped if not any(fnmatch(id_, pattern) for pattern in allowed)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, a skip that is not listed with its reason is a failure."""
    if not os.environ.get("CI"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])]
    allowed = tomllib.loads(ALLOWED_SKIPS.read_text(encoding="utf-8"))
    unexplained = unexplained_skips(skipped, allowed)
    if unexplained:
        reporter.write_line("")
        for id_ in unexplained:
            reporter.write_line(
                f"skipped without a reason in {ALLOWED_SKIPS.name}: {id_}", red=True
            )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings or the accounts of whoever runs it."""
    for name in tuple(os.environ):
        if name.startswith(("EARMARK_", "LIVEKIT_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that set up its log leaves no handler on a stream that is closed by then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def livekit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A real LiveKit server."""
    binary = find_tool("livekit-server")
    if binary is None:
        pytest.skip("livekit-server is not installed; `make test` builds it")
    with running_livekit_server(binary, tmp_path_factory.mktemp("livekit")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server."""
    binary = find_tool("versitygw")
    if binary is None:
        pytest.skip("versitygw is not installed; `make test` builds it")
    with running_versitygw(binary) as server:
        yield server


@pytest.fixture(scope="session")
def oidc_server() -> Iterator[OidcServer]:
    """A real OpenID Provider, which tells names and groups when it is asked for them."""
    program = find_tool("oidc-provider")
    if program is None:
        pytest.skip("oidc-provider is not installed; `make test` gets it")
    with running_oidc_provider(program) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with running_postgres(programs) as server:
        yield server
