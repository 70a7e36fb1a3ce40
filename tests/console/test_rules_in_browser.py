"""The rules pages as people use them, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from console.access import Role
from storage.published_rules import load_in_force
from tests.console.conftest import (
    LAPTOP,
    NARROW,
    Site,
    accessibility_faults,
    keep_shot,
    sticks_out,
)
from tests.storage.rulebooks import BOOK, PACK, approved, edited, imported, proposed

expect.set_options(timeout=90_000)  # a check may start a process, on a machine that is busy
PAGES = (
    ("rules", "/rules"),
    ("rule-versions", "/rules/versions"),
    ("rule-version", "/rules/versions/1"),
    ("rule-diff", "/rules/diff?old=1&new=2"),
    ("rule-file", "/rules/file?version=1&name=talk.yaml"),
    ("rule-edit", "/rules/edit?file=talk.yaml"),
    ("rule-new", "/rules/edit"),
    ("rule-proposals", "/rules/proposals"),
)


def patient(page: Page) -> Page:
    """The page, with time for a busy machine."""
    page.set_default_timeout(90_000)
    return page


def written(page: Page, which: str, text: str) -> None:
    """Replace the whole text of an editor, by keys."""
    editor = page.get_by_role("textbox", name=which, exact=True)
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")  # Chromium itself styles lines that are typed over
    page.keyboard.insert_text(text)


def test_a_rule_from_its_error_to_its_rollback(site: Site) -> None:
    """Edit, see the error, mend it, run cases, try it on calls, propose; approve; roll back."""
    imported(site.console.database)
    page = patient(site.page(Role.RULE_EDITOR, name="edna"))
    page.goto("/rules")
    page.get_by_role("link", name="Edit qa.talk").click()
    status = page.locator("#lint-status")
    expect(status).to_have_text("No error, and nothing poor.")
    changed = PACK.decode().replace("version: 1", "version: 2")
    written(page, "Rules", changed.replace("severity: low", "severety: high"))
    expect(status).to_contain_text("1 error; talk.yaml, line 8: unknown key")
    expect(page.locator(".cm-lint-marker-error").first).to_be_visible()
    page.locator(".cm-lint-marker-error").first.hover()
    expect(page.locator(".cm-tooltip-lint")).to_contain_text("did you mean 'severity'?")
    keep_shot(page, "rule-edit-error")
    written(page, "Rules", changed.replace("severity: low", "severity: high"))
    expect(status).to_have_text("No error, and nothing poor.")
    page.get_by_role("button", name="Run the cases").click()
    expect(page.locator("#results")).to_contain_text("All 4 cases pass.")
    page.get_by_role("button", name="Try on stored calls").click()
    expect(page.locator("#results")).to_contain_text("0 calls since")
    assert accessibility_faults(page) == []
    keep_shot(page, "rule-edit-checked")
    page.get_by_label("What the change is for").fill("It is worse than we thought.")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.get_by_role("heading", name="Proposal")).to_be_visible()
    expect(page.get_by_text("You proposed this, so somebody else decides.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    keep_shot(page, "rule-proposal-own")
    where = page.url

    other = patient(site.page(Role.RULE_EDITOR, name="anton"))
    other.goto("/rules")
    other.get_by_role("link", name="1 proposal waits").click()
    other.get_by_role("link", name="It is worse than we thought.").click()
    assert other.url == where
    assert accessibility_faults(other) == []
    keep_shot(other, "rule-proposal")
    other.get_by_role("button", name="Approve: it is in force at once").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("in force")
    assert load_in_force(site.console.database).rulebook.rule("qa.secrecy").severity == "high"

    page.goto("/rules/versions/1")
    page.get_by_label("Why it should come back").fill("Too many alerts.")
    page.get_by_role("button", name="Propose to go back to version 1").click()
    expect(page.get_by_role("heading", name="Proposal: back to version 1")).to_be_visible()
    other.goto("/rules/proposals")
    other.get_by_role("link", name="Too many alerts.").click()
    other.get_by_role("button", name="Approve: it is in force at once").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("Version 3")
    assert load_in_force(site.console.database).rulebook.rule("qa.secrecy").severity == "low"
    other.goto("/rules/versions")
    assert accessibility_faults(other) == []
    keep_shot(other, "rule-versions")


def test_the_editor_completes_and_lets_the_keyboard_out(site: Site) -> None:
    """What may stand at a place comes from the schema; Escape, then Tab, leaves the editor."""
    imported(site.console.database)
    page = patient(site.page(Role.RULE_EDITOR, name="edna"))
    page.goto("/rules/edit?file=talk.yaml")
    written(page, "Rules", PACK.decode() + "    sta")
    page.keyboard.press("Control+Space")
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("status")
    page.wait_for_timeout(300)  # a list that has just opened takes no key, lest it be a slip
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Space")
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("shadow")
    keep_shot(page, "rule-edit-completion")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox", name="Cases", exact=True)).to_be_focused()


def test_without_its_script_the_editor_is_a_form(site: Site) -> None:
    """Plain texts, the same buttons, the same results."""
    imported(site.console.database)
    page = patient(site.page(Role.RULE_EDITOR, name="edna"))
    page.route("**/static/vendor/*", lambda route: route.abort())
    page.goto("/rules/edit?file=talk.yaml")
    texts = page.get_by_role("textbox", name="Rules", exact=True)
    expect(texts).to_be_visible()
    assert texts.input_value() == PACK.decode()
    texts.fill(PACK.decode().replace("say nothing", "hush now"))
    page.get_by_role("button", name="Run the cases").click()
    expect(page.locator("#results")).to_contain_text("1 of 4 cases fail.")
    expect(page.get_by_role("textbox", name="Rules", exact=True)).to_have_value(
        PACK.decode().replace("say nothing", "hush now")
    )
    assert accessibility_faults(page) == []
    site.complaints[:] = [c for c in site.complaints if "ERR_FAILED" not in c]


@pytest.mark.parametrize(
    ("shade", "size", "dark"),
    [("light", LAPTOP, False), ("dark", LAPTOP, True), ("narrow", NARROW, False)],
)
def test_every_page_is_fit_to_be_read(
    site: Site, shade: str, size: tuple[int, int], dark: bool
) -> None:
    """No WCAG A or AA fault on any page, nothing to push sideways, and pictures to look at."""
    imported(site.console.database)
    new = edited(BOOK, "talk.yaml", b"say nothing to anybody", b"never tell anybody")
    approved(site.console.database, proposed(site.console.database, new_cases(new)))
    proposed(site.console.database, BOOK, base=2, author="link:emil", note="Back again.")
    page = patient(site.page(Role.RULE_EDITOR, name="edna", size=size, dark=dark))
    for name, path in PAGES:
        page.goto(path)
        if "edit" in path:
            expect(page.locator("#lint-status")).not_to_be_empty()
        keep_shot(page, f"{name}-{shade}")
        assert accessibility_faults(page) == [], path
        assert not sticks_out(page), path


def new_cases(files: dict[str, bytes]) -> dict[str, bytes]:
    """The cases of `talk.yaml` as its rule is now."""
    return edited(files, "talk.cases.yaml", b"say nothing to anybody", b"never tell anybody")
