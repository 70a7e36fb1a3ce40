"""Sign-in by OpenID Connect, against a real provider; what is forged is forged on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.access import Role
from console.app import create_app
from console.guard import CSRF_HEADER, csrf_token
from console.oidc import Oidc, OidcOptions
from console.oidc_provider import is_safe_address
from console.state import Console, utc_now
from scripts.tools import find_tool
from storage import console_sessions, trail
from storage.trail import TrailAction
from storage.trail_tables import TRAIL
from tests.console.conftest import URL, signed_in_token
from tests.console.forged_tokens import (
    FORGED,
    OWN_KEY,
    Change,
)
from tests.servers.oidc import OidcServer, running_oidc_provider

ROLES = (
    ("qa-leads", Role.LEAD),
    ("qa-reviewers", Role.REVIEWER),
    ("rule-people", Role.RULE_EDITOR),
)


class Between(httpx.BaseTransport):
    """The way to the provider, where answers of the token endpoint can be changed."""

    def __init__(self) -> None:
        self._real = httpx.HTTPTransport()
        self.change: Change | None = None
        self.fails: dict[str, httpx.Response | Exception] = {}
        self.last_token: dict[str, Any] = {}
        self.asked: list[str] = []

    def close(self) -> None:
        self._real.close()  # it opens anew when it is used again

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        if path in self.fails:
            found = self.fails[path]
            if isinstance(found, Exception):
                raise found
            return found
        answer = self._real.handle_request(request)
        if path != "/token" or answer.status_code != 200:
            return answer
        tree = json.loads(answer.read())
        self.last_token = dict(tree)
        if self.change is not None:
            self.change(tree)
        return httpx.Response(200, json=tree)


class Clock:
    """The time, which a test can move."""

    def __init__(self) -> None:
        self.later = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.later


def options_of(server: OidcServer, **changes: Any) -> OidcOptions:
    values: dict[str, Any] = {
        "issuer": server.issuer, "client_id": server.client_id,
        "client_secret": server.client_secret, "roles": ROLES, "scopes": "openid profile groups",
    }  # fmt: skip
    return OidcOptions(**(values | changes))


@pytest.fixture
def between() -> Between:
    return Between()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def console(console: Console, oidc_server: OidcServer, between: Between, clock: Clock) -> Console:
    """A console that signs in by the provider and by nothing else."""
    return replace(
        console,
        options=replace(console.options, links=False),
        oidc=Oidc(options_of(oidc_server), transport=between),
        now=clock,
    )


def at_provider(address: str, name: str, visitor: httpx.Client) -> str:
    """Go to the provider and sign in there; gives where it sends the browser back to."""
    for _ in range(12):
        if urlsplit(address).path == "/sign-in/oidc/back":
            return address
        answer = visitor.get(address)
        if answer.is_redirect:
            address = urljoin(address, answer.headers["location"])
            continue
        form = re.search(r'action="([^"]+)"', answer.text)
        assert form is not None, answer.text
        answer = visitor.post(
            urljoin(address, form[1]), data={"prompt": "login", "login": name, "password": "x"}
        )
        address = urljoin(address, answer.headers["location"])
    raise AssertionError("the provider does not come to an end")


@pytest.fixture
def visitor() -> Iterator[httpx.Client]:
    """A browser's memory of the provider."""
    with httpx.Client(follow_redirects=False) as client:
        yield client


def begun(nobody: TestClient) -> str:
    """The address at the provider."""
    answer = nobody.get("/sign-in/oidc")
    assert answer.status_code == 303
    return answer.headers["location"]


def come_back(nobody: TestClient, address: str) -> httpx.Response:
    return nobody.get("/sign-in/oidc/back", params=parse_qs(urlsplit(address).query))


def is_signed_in(client: TestClient) -> bool:
    return client.get("/sessions").status_code != 303


def test_there_and_back(
    console: Console, nobody: TestClient, visitor: httpx.Client, between: Between
) -> None:
    """Groups become roles, the sign-in is noted, and the code is asked for with PKCE."""
    assert 'href="/sign-in/oidc"' in nobody.get("/sign-in").text
    address = begun(nobody)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{URL}/sign-in/oidc/back"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    answer = come_back(nobody, at_provider(address, "bo", visitor))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookies = answer.headers.get_list("set-cookie")
    assert any(each.startswith("earmark=") and "HttpOnly" in each for each in cookies)
    assert any(each.startswith('earmark-flow=""') for each in cookies)
    with console.database.begin(read_only=True) as connection:
        (session,) = console_sessions.sessions(connection, now=console.now())
        (entry,) = map(trail.entry_from, connection.execute(select(TRAIL)).mappings())
    assert (session.person_id, session.name) == ("oidc:bo", "bo of the tests")
    assert session.roles == ("reviewer", "rule_editor")
    lasts = session.expires_at - session.signed_in_at
    assert timedelta() <= console.options.session_time - lasts < timedelta(minutes=1)
    assert (entry.actor, entry.action) == ("oidc:bo", TrailAction.SIGN_IN)
    assert entry.detail == {"how": "oidc", "roles": "reviewer,rule_editor"}
    assert "/me" in between.asked  # where this provider tells groups
    assert is_signed_in(nobody)


def test_claims_in_the_token(console: Console, visitor: httpx.Client, between: Between) -> None:
    """Where the ID token lists the groups, nothing else is asked."""
    program = find_tool("oidc-provider")
    assert program is not None
    with running_oidc_provider(program, id_token_claims=True) as server:
        app = create_app(replace(console, oidc=Oidc(options_of(server), transport=between)))
        with TestClient(app, base_url=URL, follow_redirects=False) as client:
            answer = come_back(client, at_provider(begun(client), "ana", visitor))
            assert answer.status_code == 303
            assert is_signed_in(client)
    assert "/me" not in between.asked


@pytest.mark.parametrize("name", ["cy", "stranger"])
def test_unknown_groups(nobody: TestClient, visitor: httpx.Client, name: str) -> None:
    """Whoever is in no group that means a role is told so, and is not signed in."""
    answer = come_back(nobody, at_provider(begun(nobody), name, visitor))
    assert answer.status_code == 403
    assert "none of your groups has a role at this console" in answer.text
    assert name not in answer.text
    assert not is_signed_in(nobody)


def test_session_is_always_new(console: Console, nobody: TestClient, visitor: httpx.Client) -> None:
    """A token that was there before, planted or earlier, is worth nothing afterwards."""
    earlier = signed_in_token(console, Role.ADMIN)
    nobody.cookies.set(console.options.cookie, earlier, domain="testserver.local")
    nobody.cookies.set(console.options.cookie, earlier)
    answer = come_back(nobody, at_provider(begun(nobody), "ana", visitor))
    assert answer.status_code == 303
    token = re.search(r"earmark=([^;]+)", ",".join(answer.headers.get_list("set-cookie")))
    assert token is not None
    assert token[1] != earlier
    with console.database.begin(read_only=True) as connection:
        assert console_sessions.session_of(connection, earlier, now=console.now()) is None
        assert console_sessions.session_of(connection, token[1], now=console.now()) is not None


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda query: query | {"state": "A" * 43}, id="other-state"),
        pytest.param(lambda query: {k: v for k, v in query.items() if k != "state"}, id="no-state"),
        pytest.param(lambda query: query | {"state": ""}, id="empty-state"),
    ],
)
def test_forged_state(
    nobody: TestClient, visitor: httpx.Client, between: Between,
    forge: Callable[[dict[str, str]], dict[str, str]],
) -> None:  # fmt: skip
    """An answer that belongs to no sign-in of this browser is not even shown to the provider."""
    back = at_provider(begun(nobody), "ana", visitor)
    query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    answer = nobody.get("/sign-in/oidc/back", params=forge(query))
    assert answer.status_code == 400
    assert "not begun in this browser" in answer.text
    assert "/token" not in between.asked
    assert not is_signed_in(nobody)


def test_answer_in_another_browser(
    console: Console, nobody: TestClient, visitor: httpx.Client
) -> None:
    """A link with somebody's genuine answer signs nobody else in, as whomever."""
    back = at_provider(begun(nobody), "ana", visitor)
    app = create_app(console)
    with TestClient(app, base_url=URL, follow_redirects=False) as victim:
        assert come_back(victim, back).status_code == 400  # began nothing
        begun(victim)
        assert come_back(victim, back).status_code == 400  # began something else
        assert not is_signed_in(victim)


def test_replayed_code(console: Console, nobody: TestClient, visitor: httpx.Client) -> None:
    """A code counts once, even for the browser that it was given to."""
    address = begun(nobody)
    flow = nobody.cookies["earmark-flow"]
    back = at_provider(address, "ana", visitor)
    assert come_back(nobody, back).status_code == 303
    assert come_back(nobody, back).status_code == 400  # the browser's part was used up
    nobody.cookies.clear()
    nobody.cookies.set("earmark-flow", flow)
    answer = come_back(nobody, back)
    assert answer.status_code == 403
    assert "could not be believed" in answer.text
    assert not is_signed_in(nobody)


@pytest.mark.parametrize("change", FORGED)
def test_tampered_token(
    nobody: TestClient, visitor: httpx.Client, between: Between, change: Change,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """A token that is not whole, not signed, or signed by others signs nobody in."""
    between.change = change
    answer = come_back(nobody, at_provider(begun(nobody), "ana", visitor))
    assert answer.status_code == 403
    assert "could not be believed" in answer.text
    assert not is_signed_in(nobody)
    assert "ana" not in caplog.text


def test_token_of_another_sign_in(
    nobody: TestClient, visitor: httpx.Client, between: Between
) -> None:
    """A genuine token with another nonce is not taken."""
    assert come_back(nobody, at_provider(begun(nobody), "ana", visitor)).status_code == 303
    earlier = between.last_token["id_token"]
    nobody.cookies.clear()
    between.change = lambda token: token.update(id_token=earlier)
    assert come_back(nobody, at_provider(begun(nobody), "ana", visitor)).status_code == 403
    assert not is_signed_in(nobody)


def test_token_for_another_client(
    console: Console, nobody: TestClient, visitor: httpx.Client, oidc_server: OidcServer,
    between: Between,
) -> None:  # fmt: skip
    """A genuine token that was made for another application is not taken."""
    other = options_of(
        oidc_server, client_id="another", client_secret="another-secret-of-the-tests"
    )
    app = create_app(replace(console, oidc=Oidc(other, transport=between)))
    with TestClient(app, base_url=URL, follow_redirects=False) as elsewhere:
        address = begun(nobody)
        elsewhere.cookies.set("earmark-flow", nobody.cookies["earmark-flow"])
        theirs = address.replace("client_id=earmark", "client_id=another")
        assert come_back(elsewhere, at_provider(theirs, "ana", visitor)).status_code == 303
    for_another = between.last_token["id_token"]
    between.change = lambda token: token.update(id_token=for_another)
    answer = come_back(nobody, at_provider(address, "ana", visitor))
    assert answer.status_code == 403
    assert not is_signed_in(nobody)


@pytest.mark.parametrize("hours", [2, -2], ids=["expired", "of-the-future"])
def test_token_of_another_time(
    nobody: TestClient, visitor: httpx.Client, clock: Clock, hours: int
) -> None:
    """A token has its time."""
    address = at_provider(begun(nobody), "ana", visitor)
    clock.later = timedelta(hours=hours)
    assert come_back(nobody, address).status_code == 403
    assert not is_signed_in(nobody)


def test_answer_of_another_provider(nobody: TestClient, visitor: httpx.Client) -> None:
    """An answer that names another issuer, or none where this one always does, is not taken."""
    for forged in ({"iss": "https://evil.example"}, {}):
        back = at_provider(begun(nobody), "ana", visitor)
        query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        del query["iss"]
        answer = nobody.get("/sign-in/oidc/back", params=query | forged)
        assert answer.status_code == 403
        assert not is_signed_in(nobody)


def test_provider_says_no(nobody: TestClient, oidc_server: OidcServer) -> None:
    """What the provider refuses is said, and its text is not repeated."""
    address = begun(nobody)
    state = parse_qs(urlsplit(address).query)["state"][0]
    query = {
        "error": "access_denied", "error_description": "<b>ana is locked</b>", "state": state,
        "iss": oidc_server.issuer,
    }  # fmt: skip
    answer = nobody.get(f"/sign-in/oidc/back?{urlencode(query)}")
    assert answer.status_code == 403
    assert "did not let you in" in answer.text
    assert "locked" not in answer.text


def test_provider_that_is_away(console: Console, nobody: TestClient, between: Between) -> None:
    """Discovery that fails is a clear page and one line in the log; it is tried anew each time."""
    discovery = "/.well-known/openid-configuration"
    for broken in (
        httpx.ConnectError("refused"), httpx.Response(500), httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"issuer": "x"}), httpx.Response(200, content=b"x" * 2_000_000),
        httpx.Response(302, headers={"location": "https://evil.example/"}),
    ):  # fmt: skip
        between.fails[discovery] = broken
        answer = nobody.get("/sign-in/oidc")
        assert answer.status_code == 503
        assert "identity provider cannot be reached" in answer.text
        assert nobody.get("/sign-in").status_code == 200
        assert nobody.get("/sign-in/out").status_code == 200
    del between.fails[discovery]
    assert nobody.get("/sign-in/oidc").status_code == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_discovery_that_lies(
    nobody: TestClient, between: Between, oidc_server: OidcServer, changes: dict[str, str]
) -> None:
    """Another issuer, or an address without TLS, is not followed."""
    found = httpx.get(f"{oidc_server.issuer}/.well-known/openid-configuration").json()
    between.fails["/.well-known/openid-configuration"] = httpx.Response(200, json=found | changes)
    assert nobody.get("/sign-in/oidc").status_code == 503


@pytest.mark.parametrize("path", ["/token", "/jwks", "/me"])
def test_provider_that_breaks_in_the_middle(
    nobody: TestClient, visitor: httpx.Client, between: Between, path: str
) -> None:
    """Whatever is away, nobody is signed in, and it is said that it is not their fault."""
    back = at_provider(begun(nobody), "ana", visitor)
    between.fails[path] = httpx.Response(502, text="bad gateway")
    answer = come_back(nobody, back)
    assert answer.status_code == 503
    assert "Nothing is wrong with your account" in answer.text
    assert not is_signed_in(nobody)


def test_new_key_of_the_provider(
    console: Console, nobody: TestClient, visitor: httpx.Client, between: Between
) -> None:
    """Keys that were kept are fetched anew when a token names one that is not among them."""
    between.fails["/jwks"] = httpx.Response(
        200, json={"keys": [OWN_KEY.as_dict(private=False) | {"kid": "old"}]}
    )
    back = at_provider(begun(nobody), "ana", visitor)
    assert come_back(nobody, back).status_code == 403
    del between.fails["/jwks"]
    assert come_back(nobody, at_provider(begun(nobody), "ana", visitor)).status_code == 303


def test_signing_out(
    console: Console, nobody: TestClient, visitor: httpx.Client, oidc_server: OidcServer
) -> None:
    """The session ends here at once, and the way to end it at the provider is shown."""
    come_back(nobody, at_provider(begun(nobody), "ana", visitor))
    token = nobody.cookies[console.options.cookie]
    answer = nobody.post("/sign-out", headers={CSRF_HEADER: csrf_token(token)})
    assert answer.headers["location"] == "/sign-in/out"
    page = nobody.get("/sign-in/out").text
    assert f"{oidc_server.issuer}/session/end?client_id=earmark" in page
    nobody.cookies.set(console.options.cookie, token)
    assert not is_signed_in(nobody)


def test_links_do_not_sign_in_here(console: Console, nobody: TestClient) -> None:
    """With a provider, there is no other way in."""
    with console.database.begin() as connection:
        token = console_sessions.make_link(
            connection, person_id="link:x", name="x", roles=("admin",), now=console.now()
        )
    assert nobody.get("/sign-in/link", params={"token": token}).status_code == 404
    assert "earmark console link" not in nobody.get("/sign-in").text


def test_without_a_provider(console: Console) -> None:
    """Where none is set, its pages are not there."""
    app = create_app(replace(console, oidc=None))
    with TestClient(app, base_url=URL, follow_redirects=False) as client:
        for path in ("/sign-in/oidc", "/sign-in/oidc/back", "/sign-in/out"):
            assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("address", "is_safe"),
    [
        ("https://id.example/token", True), ("http://127.0.0.1:8080/", True),
        ("http://id.example/", False), ("http://127.0.0.1.evil.example/", False),
        ("ftp://id.example/", False), ("https://", False), ("//id.example", False),
        ("http://[::1]:80/", True), ("https://[bad", False),
    ],
)  # fmt: skip
def test_safe_addresses(address: str, is_safe: bool) -> None:
    """TLS, or this machine."""
    assert is_safe_address(address) is is_safe
