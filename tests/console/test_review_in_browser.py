"""Reviewing in a real browser: the queue by keyboard, assigning, settling, sampling."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from console.access import Role
from rules.types import Severity
from storage.calls import save_call
from storage.database import Database
from storage.findings import LiveVerdict
from storage.review_claims import claim_call, claims_of
from storage.reviewing import Subject, give_verdict
from storage.verdicts import VerdictDecision, VerdictSubject
from tests.console.conftest import (
    LAPTOP,
    NARROW,
    Site,
    accessibility_faults,
    keep_shot,
    sticks_out,
)
from tests.console.seed import STARTED_AT, live_call
from tests.storage.builders import call, finding
from tests.storage.reviews import add_audit

pytestmark = pytest.mark.slow

SHADES = pytest.mark.parametrize(
    ("size", "dark"),
    [(LAPTOP, False), (LAPTOP, True), (NARROW, False), (NARROW, True)],
    ids=["laptop-light", "laptop-dark", "narrow-light", "narrow-dark"],
)
PLACES = ("queue", "work", "assignments", "adjudication", "samples", "agreement")


def fill(site: Site) -> list[str]:
    """Calls of every severity: one audited, one claimed, and one on which two disagree."""
    database, now = site.console.database, site.console.now()
    sids = [
        live_call(database, n, severity=severity, n_hits=1 + n % 3)
        for n, severity in enumerate([*Severity, *Severity], start=1)
    ]
    add_audit(
        database,
        [
            finding(id="f1", live_hit_id="h0", start_s=10.0, end_s=14.0, speaker="customer"),
            finding(id="f2", live_hit_id=None, verdict=LiveVerdict.MISSED_LIVE, speaker="agent",
                    rule_id="disclosure.recording", start_s=1.0, end_s=2.0),
        ],
        room_sid=sids[4],
        at=now,
    )  # fmt: skip
    with database.begin() as connection:
        claim_call(connection, sids[8], "link:sam", now=now)
    for reviewer, decision in (("rita", "confirmed"), ("sam", "false_alarm")):
        decide(database, sids[2], f"link:{reviewer}", VerdictDecision(decision), site)
    return sids


def decide(
    database: Database, room_sid: str, reviewer: str, decision: VerdictDecision, site: Site
) -> None:
    """Somebody judges the first flag, as one of two."""
    with database.begin() as connection:
        claim_call(connection, room_sid, reviewer, now=site.console.now())
        give_verdict(
            connection, room_sid, Subject(kind=VerdictSubject.HIT, id="h0"),
            decision=decision, note=f"I hear it as {decision.value}.", reviewer=reviewer,
            form_id="f", double_share=1.0, drawn=0.0, now=site.console.now(),
        )  # fmt: skip


def fits(page: Page, name: str) -> None:
    """A page that everybody can use; a picture of it is kept."""
    keep_shot(page, name)
    assert accessibility_faults(page) == []
    assert not sticks_out(page)


@SHADES
def test_every_page_of_the_review(
    site: Site, size: tuple[int, int], dark: bool, request: pytest.FixtureRequest
) -> None:
    """All pages, on a laptop and in a narrow window, light and dark."""
    sids = fill(site)
    page = site.page(*Role, name="lea", size=size, dark=dark)
    shade = request.node.callspec.id.removeprefix("sqlite-")
    for place in (*PLACES, f"adjudication/{sids[2]}"):
        page.goto(f"/{place}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        fits(page, f"{'adjudicate' if '/' in place else place}-{shade}")


def test_the_queue_by_keyboard(site: Site) -> None:
    """Filters change the address without a load; keys move, claim and take the next call."""
    sids = fill(site)
    page = site.page(Role.REVIEWER, name="rita")
    page.goto("/queue")
    expect(page.locator("[data-row]")).to_have_count(8)
    page.get_by_label("Worst flag").select_option("high")
    expect(page.locator("[data-row]")).to_have_count(3)
    expect(page).to_have_url(f"{site.url}/queue?status=open&severity=high&rule=&about=&differ="
                             "&since=&until=&assignee=&sort=severity")  # fmt: skip
    page.reload()
    expect(page.locator("[data-row]")).to_have_count(3)
    expect(page.get_by_label("Worst flag")).to_have_value("high")
    page.locator("body").press("j")
    expect(page.locator("[data-row] a.open").nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-row] a.open").nth(1)).to_be_focused()
    fits(page, "queue-keys")
    with page.expect_response(lambda response: response.url.endswith("/claim")):
        page.keyboard.press("c")
    page.goto("/queue?status=claimed")
    expect(page.get_by_text("yours", exact=True)).to_be_visible()
    page.locator("body").press("j")
    page.keyboard.press("j")
    row = page.locator("[data-row]", has_text="yours")
    row.locator("a.open").focus()
    page.keyboard.press("r")
    expect(page.get_by_text("yours", exact=True)).to_have_count(0)
    expect(page.locator("[data-row]")).to_have_count(1)
    page.goto("/queue")
    with page.expect_request(lambda request: request.url.endswith("/queue/next")):
        page.keyboard.press("n")
    page.wait_for_url("**/calls/**")
    with site.console.database.begin(read_only=True) as connection:
        (claim,) = claims_of(connection, "link:rita", now=site.console.now())
    assert claim.room_sid in sids
    page.goto("/work")
    fits(page, "work-claimed")
    site.complaints[:] = [each for each in site.complaints if "404" not in each]


def test_keeping_a_view_and_assigning(site: Site) -> None:
    """A lead keeps a view for everybody, marks calls by keyboard and gives them to a reviewer."""
    fill(site)
    rita = site.page(Role.REVIEWER, name="rita")
    rita.goto("/work")
    expect(rita.get_by_text("Nothing.", exact=True)).to_be_visible()
    page = site.page(Role.LEAD, name="lea")
    page.goto("/queue?about=customer&sort=newest")
    page.get_by_text("Keep this view").click()
    page.get_by_label("Name").fill("Customers")
    page.get_by_label("for everybody").check()
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("link", name="Customers")).to_be_visible()
    page.locator("body").press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("input[name=call]:checked")).to_have_count(2)
    page.get_by_label("Assign the marked calls to").select_option(label="rita")
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.get_by_text("for rita")).to_have_count(2)
    fits(page, "queue-assigned")
    page.get_by_text("Export", exact=True).click()
    fits(page, "queue-export")
    with page.expect_download() as download:
        page.get_by_role("link", name="Calls, CSV").click()
    assert download.value.suggested_filename == "earmark-queue.csv"
    assert len(download.value.path().read_text().splitlines()) == 9
    rita.goto("/work")
    expect(rita.locator("[data-row]")).to_have_count(2)
    rita.goto("/queue")
    rita.get_by_role("link", name="Customers").click()
    # The database may keep the parts of a view in an order of its own.
    expect(rita).to_have_url(re.compile(r"/queue\?(?=.*about=customer)(?=.*sort=newest)"))


def test_settling_a_dispute(site: Site) -> None:
    """A lead reads both verdicts, without names, and decides."""
    sids = fill(site)
    page = site.page(Role.LEAD, name="lea")
    page.goto("/adjudication")
    page.locator("body").press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/adjudication/{sids[2]}")
    expect(page.get_by_role("heading", name="Reviewer A")).to_be_visible()
    expect(page.get_by_text("I hear it as confirmed.")).to_be_visible()
    page.get_by_label("Why").fill("The number is read out slowly.")
    page.get_by_role("button", name="Confirmed").click()
    expect(page.get_by_text("Settled:")).to_be_visible()
    fits(page, "adjudicate-settled")
    page.goto("/agreement")
    expect(page.get_by_text("rita and sam").first).to_be_visible()
    fits(page, "agreement-few")


def test_a_sample(site: Site) -> None:
    """A lead draws calls that nothing flagged; what a reviewer finds becomes an estimate."""
    with site.console.database.begin() as connection:
        for n in range(12):
            began = STARTED_AT + timedelta(minutes=n)
            save_call(
                connection,
                call(room_sid=f"RM_quiet{n:02}", created_at=began,
                     ended_at=began + timedelta(minutes=1 + n)),
            )  # fmt: skip
    page = site.page(Role.LEAD, name="lea")
    page.goto("/samples")
    page.get_by_label("Name").fill("March")
    page.get_by_label("From").fill("2026-03-01")
    page.get_by_label("To").fill("2026-03-01")
    page.get_by_label("Strata by").select_option("length")
    page.get_by_label("Calls").fill("5")
    page.get_by_role("button", name="Draw").click()
    expect(page.get_by_role("heading", name="Sample March")).to_be_visible()
    page.get_by_label("Rule that should have flagged").first.fill("pii.card-number")
    page.get_by_role("button", name="Missed this").first.click()
    expect(page.get_by_text("Something was missed on")).to_be_visible()
    page.get_by_role("button", name="Nothing missed").first.click()
    fits(page, "sample")
