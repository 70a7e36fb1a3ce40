"""Who gets in, who may what, and what stands before every page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, MutableMapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from console.access import PERMISSIONS, Permission, Person, Role
from console.errors import ConsoleSetupError
from console.guard import CSRF_HEADER, GuardedRoute, csrf_token, needs, routes_of
from console.showing import note_shown
from console.state import Console
from storage import console_sessions, trail
from storage.trail import TrailAction
from storage.trail_tables import TRAIL
from tests.console.conftest import signed_in_token

SIGNED_IN = Callable[..., TestClient]


def filled(path: str) -> str:
    """The address of a route with ids that are nobody's."""
    return re.sub(r"\{(\w+)(:\w+)?\}", r"none-\1", path)


def test_every_role_reaches_what_it_may_and_nothing_else(
    app: FastAPI, signed_in: SIGNED_IN, nobody: TestClient
) -> None:
    """Route by route and role by role: 403 where the permission is missing, and only there."""
    clients = {role: signed_in(role) for role in Role}
    assert {"/sessions", "/sessions/end"} <= {route.path for route in routes_of(app)}
    for route in routes_of(app):
        for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
            if route.is_public:
                continue
            assert route.permission is not None
            for role, client in clients.items():
                if method == "GET" and route.path.startswith("/live/"):
                    continue  # streams have no end; tests of their page look at them
                answer = client.request(method, filled(route.path))
                may = route.permission in PERMISSIONS[role]
                where = f"{method} {route.path} as {role}: {answer.status_code}"
                if may:
                    assert answer.status_code < 500, where
                    assert "Your role does not reach" not in answer.text, where
                else:
                    assert answer.status_code == 403, where
            answer = nobody.request(method, filled(route.path))
            assert answer.status_code in {303, 401}, f"{method} {route.path}, nobody signed in"


def test_unsafe_requests_need_our_own_form(app: FastAPI, signed_in: SIGNED_IN) -> None:
    """Without the form's token, with another's, or from another site, nothing is changed."""
    client = signed_in(*Role)
    for route in routes_of(app):
        for method in sorted(route.methods - {"GET", "HEAD", "OPTIONS"}):
            if route.is_public and route.path != "/sign-out":
                continue
            for headers in (
                {CSRF_HEADER: ""},
                {CSRF_HEADER: csrf_token("somebody else's")},
                {"origin": "https://evil.example"},
                {"sec-fetch-site": "cross-site"},
            ):
                answer = client.request(method, filled(route.path), headers=headers)
                assert answer.status_code == 403, f"{method} {route.path} {headers}"
    assert client.get("/sessions").status_code == 200  # still signed in


def test_a_route_without_a_guard_keeps_the_console_from_starting(app: FastAPI) -> None:
    """Nobody can forget it."""

    def page() -> str:
        return ""

    app.add_api_route("/plain", page)
    with pytest.raises(ConsoleSetupError, match="/plain: its router needs GuardedRoute"):
        routes_of(app)
    app.router.routes.pop()
    router = APIRouter(route_class=GuardedRoute)
    router.add_api_route("/open", page)
    app.include_router(router)
    with pytest.raises(ConsoleSetupError, match="/open: names no permission"):
        routes_of(app)


def test_what_is_not_noted_is_not_shown(app: FastAPI, signed_in: SIGNED_IN) -> None:
    """A page that shows words and writes nothing into the trail fails; one that writes is sent."""
    router = APIRouter(route_class=GuardedRoute)
    view = Permission.VIEW_CALLS

    @router.get("/forgotten", openapi_extra={"shows": "text"})
    def forgotten(request: Request, person: Person = needs(view)) -> Response:
        return PlainTextResponse("what was said")

    @router.get("/noted", openapi_extra={"shows": "text"})
    def noted(request: Request, person: Person = needs(view)) -> Response:
        note_shown(request, TrailAction.VIEW, room_sid="RM_1")
        return PlainTextResponse("what was said")

    app.include_router(router)
    client = signed_in(Role.REVIEWER)
    answer = client.get("/forgotten")
    assert answer.status_code == 500
    assert "what was said" not in answer.text
    assert client.get("/noted").text == "what was said"


def test_a_link_signs_in_once(console: Console, nobody: TestClient) -> None:
    """The first use signs in and is noted; the second, and one too late, do not."""
    with console.database.begin() as connection:
        first, late = (
            console_sessions.make_link(
                connection, person_id="link:ana", name="ana", roles=("reviewer",), now=at
            )
            for at in (console.now(), console.now() - timedelta(minutes=11))
        )
    answer = nobody.get("/sign-in/link", params={"token": first})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    nobody.cookies.clear()
    for token in (first, late, "nonsense", ""):
        answer = nobody.get("/sign-in/link", params={"token": token})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    with console.database.begin(read_only=True) as connection:
        (entry,) = map(trail.entry_from, connection.execute(select(TRAIL)).mappings())
    assert (entry.actor, entry.action) == ("link:ana", TrailAction.SIGN_IN)


def test_signing_out_ends_the_session(signed_in: SIGNED_IN, console: Console) -> None:
    """The token is worth nothing afterwards, whoever still has it."""
    client = signed_in(Role.ADMIN)
    token = client.cookies[console.options.cookie]
    assert client.post("/sign-out").status_code == 303
    client.cookies.set(console.options.cookie, token)
    assert client.get("/sessions").status_code == 303


def test_an_admin_signs_somebody_out(signed_in: SIGNED_IN, console: Console) -> None:
    """At once, and with a note."""
    admin, other = signed_in(Role.ADMIN, name="ada"), signed_in(Role.REVIEWER, name="bo")
    token_hash = console_sessions.hash_of(other.cookies[console.options.cookie])
    assert "bo" in admin.get("/sessions").text
    assert admin.post("/sessions/end", data={"session": token_hash}).status_code == 303
    assert admin.post("/sessions/end", data={"session": token_hash}).status_code == 404
    assert other.get("/").headers["location"] == "/sign-in"


def test_sessions_end_by_themselves(console: Console) -> None:
    """After their time, and earlier where nothing is done."""
    now = console.now()
    token = signed_in_token(console, Role.LEAD)
    with console.database.begin() as connection:
        for later, is_open in (
            (timedelta(minutes=59), True), (timedelta(minutes=61), False),
        ):  # fmt: skip
            found = console_sessions.session_of(connection, token, now=now + later)
            assert (found is not None) == is_open
        for minutes in range(30, 8 * 60, 30):
            console_sessions.touch_session(connection, token, now=now + timedelta(minutes=minutes))
        for later, is_open in ((timedelta(hours=7.9), True), (timedelta(hours=8.1), False)):
            found = console_sessions.session_of(connection, token, now=now + later)
            assert (found is not None) == is_open


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver:8070", ""])
def test_another_host_is_turned_away(nobody: TestClient, host: str) -> None:
    """A name that somebody pointed at this machine reaches nothing."""
    assert nobody.get("/sign-in", headers={"host": host}).status_code == 421
    assert nobody.get("/healthz", headers={"host": host}).json() == {"status": "ok"}


def test_headers_of_every_answer(nobody: TestClient) -> None:
    """The policy lets no inline script or style through; pages are kept in no cache."""
    for path in ("/sign-in", "/nowhere", "/static/app.css", "/healthz"):
        headers = nobody.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["script-src"] == "'self'"
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in headers.get("cache-control", "")) != path.startswith("/static/")
    first, second = (nobody.get("/sign-in").headers["content-security-policy"] for _ in range(2))
    assert first != second  # a nonce is used once


def test_a_browser_that_leaves_while_its_form_is_on_its_way(
    app: FastAPI, console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is done, and nobody is called to look at a defect."""
    cookie = f"{console.options.cookie}={signed_in_token(console, Role.ADMIN)}"
    headers = {
        "host": "testserver", "cookie": cookie, "content-length": "99",
        "content-type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/sign-out", "raw_path": b"/sign-out", "root_path": "",
        "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    sent: list[MutableMapping[str, Any]] = []
    arriving: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"csrf_tok", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return arriving.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    with caplog.at_level(logging.INFO, "console"):
        asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert [record.levelname for record in caplog.records if record.name == "console"] == ["INFO"]
    with console.database.begin(read_only=True) as connection:
        assert len(console_sessions.sessions(connection, now=console.now())) == 1


def test_what_cannot_be_read_is_said_to_be_that(signed_in: SIGNED_IN) -> None:
    """Neither a broken form nor a wrong method is called a page that there is not."""
    client = signed_in(Role.REVIEWER)
    del client.headers[CSRF_HEADER]  # so that it is looked for in the form
    broken = client.post(
        "/sign-out",
        content=b"--x\r\nno header",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert (broken.status_code, "cannot be read" in broken.text) == (400, True)
    wrong = client.put("/queue")
    assert (wrong.status_code, "use its buttons" in wrong.text) == (405, True)
