"""A console over each kind of database, with people signed in, and a real browser before it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.testclient import TestClient

from console.access import Role
from console.app import create_app
from console.guard import CSRF_HEADER, csrf_token
from console.rule_worker import long_workers, quick_workers
from console.state import Console, ConsoleOptions, utc_now
from storage import console_sessions
from storage.console_sessions import SignedIn
from storage.database import Database
from storage.objects import open_objects
from tests.storage.conftest import (  # noqa: F401 - fixtures
    database,
    database_url,
    postgres_url,
    s3_access,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTEFACTS = Path(__file__).parents[1] / ".artefacts" / "console"
LAPTOP, NARROW = (1280, 860), (420, 860)
URL = "http://testserver"


def signed_in_token(console: Console, *roles: Role, name: str | None = None) -> str:
    """The token of a new session of somebody with these roles."""
    who = name or (roles[0].value if roles else "nobody")
    now = console.now()
    signed_in = SignedIn(
        person_id=f"link:{who}", name=who, roles=tuple(roles), expires_at=now + timedelta(hours=8)
    )
    with console.database.begin() as connection:
        return console_sessions.begin_session(connection, signed_in, now=now)


@pytest.fixture
def console(database: Database, tmp_path: Path) -> Console:  # noqa: F811 - the fixture
    """An open console; empty."""
    return Console(
        database=database,
        objects=open_objects(str(tmp_path / "objects")),
        options=ConsoleOptions(url=URL),
        now=utc_now,
    )


@pytest.fixture
def app(console: Console) -> FastAPI:
    """The application."""
    return create_app(console)


@pytest.fixture
def nobody(app: FastAPI) -> Iterator[TestClient]:
    """A client that is not signed in and follows no redirects."""
    with TestClient(
        app, base_url=URL, follow_redirects=False, raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture
def signed_in(app: FastAPI, console: Console) -> Iterator[Callable[..., TestClient]]:
    """Makes clients of people: `signed_in(Role.LEAD, name="ana")`; the forms' token is set."""
    clients: list[TestClient] = []

    def make(*roles: Role, name: str | None = None) -> TestClient:
        token = signed_in_token(console, *roles, name=name)
        client = TestClient(
            app, base_url=URL, follow_redirects=False, raise_server_exceptions=False,
            headers={CSRF_HEADER: csrf_token(token)},
        )  # fmt: skip
        client.cookies.set(console.options.cookie, token)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@dataclass
class Site:
    """A console that listens, for a browser."""

    console: Console
    app: FastAPI
    url: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    def page(
        self,
        *roles: Role,
        name: str | None = None,
        size: tuple[int, int] = LAPTOP,
        dark: bool = False,
    ) -> Page:
        """A page of somebody who is signed in; what the browser complains of is kept."""
        context = self.browser.new_context(
            base_url=self.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        if roles:
            token = signed_in_token(self.console, *roles, name=name)
            context.add_cookies(
                [
                    {
                        "name": self.console.options.cookie, "value": token, "url": self.url,
                        "httpOnly": True, "sameSite": "Lax",
                    }
                ]
            )  # fmt: skip
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@pytest.fixture(scope="module", autouse=True)
def no_worker_left() -> Iterator[None]:
    """Processes that check rules end with the module; other tests count theirs."""
    yield
    quick_workers().end()
    long_workers().end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium. Its driver keeps an event loop running, so it must not outlive a module."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture
def site(console: Console, browser: Browser) -> Iterator[Site]:
    """The console on a port of its own. At the end, the browser must have had nothing to say."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    reached = replace(console, options=replace(console.options, url=url))
    reached_app = create_app(reached)
    server = uvicorn.Server(uvicorn.Config(reached_app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    found = Site(console=reached, app=reached_app, url=url, browser=browser)
    yield found
    for context in browser.contexts:
        context.close()
    server.should_exit = True
    thread.join(timeout=20)
    listener.close()
    assert found.complaints == []


def keep_shot(page: Page, name: str) -> Path:
    """Keep a picture of the whole page as an artefact."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2, levels A and AA; one line a fault."""
    results = Axe().run(
        page,
        options={
            # It would copy styles of shadow roots into elements, which our policy refuses.
            "preload": False,
            "runOnly": {
                "type": "tag",
                "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
            },
        },
    )
    return [
        f"{fault['id']}: {node['target']}"
        for fault in results.response["violations"]
        for node in fault["nodes"]
    ]


def sticks_out(page: Page) -> bool:
    """Whether the page is wider than its window, so that it has to be pushed sideways."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


def is_page(answer: httpx.Response) -> bool:
    """Whether an answer is a page for people."""
    return answer.headers["content-type"].startswith("text/html")
