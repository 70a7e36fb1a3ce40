"""The pages that everything stands on, as a real browser shows them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from console.access import Role
from storage import console_sessions
from tests.console.conftest import LAPTOP, NARROW, Site, accessibility_faults, keep_shot, sticks_out

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, NARROW], ids=["laptop", "narrow"])
def test_signing_in_and_out(site: Site, size: tuple[int, int], dark: bool) -> None:
    """The link leads in, the keys are shown, and the way out leads back."""
    shade = f"{size[0]}-{'dark' if dark else 'light'}"
    page = site.page(size=size, dark=dark)
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"sign-in-{shade}")
    with site.console.database.begin() as connection:
        token = console_sessions.make_link(
            connection, person_id="link:ana", name="ana", roles=tuple(Role), now=site.console.now()
        )
    page.goto(f"/sign-in/link?token={token}")
    page.goto("/sessions")
    expect(page.get_by_role("cell", name="ana you")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert accessibility_faults(page) == []
    page.keyboard.press("Escape")
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"sessions-{shade}")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
