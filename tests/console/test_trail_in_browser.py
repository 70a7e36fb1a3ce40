"""The page of the trail, as a real browser shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from console.access import Role
from console.anchoring import Anchoring, AnchorOptions
from console.state import Console
from storage import trail
from storage.trail import TrailAction, TrailEvent
from tests.console.conftest import (
    LAPTOP,
    NARROW,
    Site,
    accessibility_faults,
    keep_shot,
    sticks_out,
)
from tests.storage.trails import KEY, edit, tamper


@pytest.fixture
def console(console: Console) -> Console:
    """With a key."""
    options = AnchorOptions(key=KEY, n_entries=5)
    anchoring = Anchoring(console.database, console.objects, options, now=console.now)
    return replace(console, anchoring=anchoring)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, NARROW], ids=["laptop", "narrow"])
def test_in_a_browser(site: Site, size: tuple[int, int], dark: bool) -> None:
    """An auditor filters, verifies, and sees what was changed."""
    console = site.console
    assert console.anchoring is not None
    with console.database.begin() as connection:
        for n in range(60):
            event = TrailEvent(
                actor=f"oidc:{'ana' if n % 3 else 'bo'}",
                action=tuple(TrailAction)[n % 19],
                room_sid=f"RM_4uXyTn9q{n % 4}" if n % 5 else None,
                subject=f"hit-{n:03}" if n % 2 else None,
                detail={"reason": "dispute 2026-117, amount"} if n % 19 in {2, 3}
                else {"start_s": n / 4, "end_s": n / 2} if n % 19 == 1 else {},
            )  # fmt: skip
            trail.append(connection, event)
    console.anchoring.look()
    shade = f"{size[0]}-{'dark' if dark else 'light'}"
    page = site.page(Role.AUDITOR, name="aud", size=size, dark=dark)
    page.goto("/trail")
    page.get_by_role("button", name="Verify now").click()
    page.get_by_text("As it was written.", exact=True).wait_for()
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"trail-{shade}")
    page.get_by_label("What").select_option("unmask_text")
    page.get_by_role("button", name="Filter").click()
    assert page.get_by_role("row").count() == 5
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    tamper(console.database, edit(30, actor="oidc:nobody"))
    page.get_by_role("button", name="Verify now").click()
    page.get_by_text("Not as it was written.").wait_for()
    expect(page.get_by_text("entry 30: was changed")).to_be_visible()
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"trail-changed-{shade}")
