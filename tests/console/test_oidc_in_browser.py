"""Sign-in by a real OpenID Provider in a real browser: there, back, and out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from console.access import Role
from console.oidc import Oidc, OidcOptions
from console.state import Console
from tests.console.conftest import LAPTOP, NARROW, Site, accessibility_faults, keep_shot, sticks_out
from tests.servers.oidc import OidcServer

pytestmark = pytest.mark.slow


@pytest.fixture
def console(console: Console, oidc_server: OidcServer) -> Console:
    """With a provider."""
    options = OidcOptions(
        issuer=oidc_server.issuer, client_id=oidc_server.client_id,
        client_secret=oidc_server.client_secret, scopes="openid profile groups",
        roles=(("qa-leads", Role.LEAD), ("qa-leads", Role.ADMIN)),
    )  # fmt: skip
    return replace(console, oidc=Oidc(options))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, NARROW], ids=["laptop", "narrow"])
def test_in_and_out(site: Site, oidc_server: OidcServer, size: tuple[int, int], dark: bool) -> None:
    """A person goes to the provider, comes back with a role, and leaves; another has none."""
    shade = f"{size[0]}-{'dark' if dark else 'light'}"
    page = site.page(size=size, dark=dark)
    # The provider's page asks for letters from elsewhere, which a test must not.
    page.route(
        lambda address: not address.startswith("http://127.0.0.1:"),
        lambda route: route.fulfill(status=200, content_type="text/css", body=""),
    )

    def sign_in(name: str) -> None:
        page.goto("/sign-in")
        page.get_by_role("link", name="Sign in").click()
        page.locator("input[name=login]").fill(name)
        page.locator("input[name=password]").fill("x")
        page.locator("button[type=submit]").click()
        page.wait_for_url(f"{site.url}/**")

    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert accessibility_faults(page) == []
    keep_shot(page, f"oidc-sign-in-{shade}")
    sign_in("ana")
    page.goto("/sessions")
    expect(page.get_by_role("cell", name="ana of the tests you")).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"oidc-signed-out-{shade}")
    page.get_by_role("link", name="sign out there, too").click()
    page.wait_for_url(f"{oidc_server.issuer}/**")
    page.context.clear_cookies()
    sign_in("cy")
    expect(page.get_by_role("alert")).to_be_visible()
    assert "none of your groups has a role" in page.get_by_role("alert").inner_text()
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"oidc-no-role-{shade}")
    # The browser notes a refused page as an error; nothing else may be.
    site.complaints[:] = [each for each in site.complaints if "status of 403" not in each]
