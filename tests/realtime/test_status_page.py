"""The page on which a process tells how it is."""

import asyncio

import httpx
import pytest

from realtime import status_page
from realtime.status_page import StatusPage


async def fine() -> str | None:
    """All is well."""
    return None


async def broken() -> str | None:
    """A check that fails itself; its text could hold anything."""
    raise RuntimeError("secret")


async def hanging() -> str | None:
    """Nobody answers."""
    await asyncio.Event().wait()
    return None


async def away() -> str | None:
    """Something is wrong."""
    return "it is away"


@pytest.mark.parametrize(
    ("checks", "path", "status", "text"),
    [
        pytest.param({"a": fine}, "/", 200, "OK\n", id="well"),
        pytest.param({"a": fine, "b": away}, "/", 503, "b: it is away\n", id="a-problem"),
        pytest.param({"b": away}, "/live", 200, "OK\n", id="a-restart-mends-nothing"),
        pytest.param({"a": away}, "/live", 503, "a: it is away\n", id="a-restart-mends-it"),
        pytest.param({"a": broken}, "/", 503, "a: RuntimeError\n", id="check-that-fails"),
        pytest.param({"a": hanging}, "/", 503, "a: no answer in time\n", id="check-that-hangs"),
        pytest.param({}, "/metrics", 200, "some 1\n", id="metrics"),
    ],
)
async def test_page(
    checks: dict[str, status_page.Check],
    path: str,
    status: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each path answers with a status and one line for each problem."""
    monkeypatch.setattr(status_page, "_CHECK_TIMEOUT_S", 0.05)
    page = StatusPage(checks=checks, vital=frozenset({"a"}), render=lambda: b"some 1\n")
    async with page.serving("127.0.0.1", 0) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
    assert (answer.status_code, answer.text) == (status, text)


async def test_port_that_is_taken() -> None:
    """A port that another has is an error that says so."""
    page = StatusPage(checks={}, vital=frozenset(), render=bytes)
    async with page.serving("127.0.0.1", 0) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with page.serving("127.0.0.1", port):
                pass
