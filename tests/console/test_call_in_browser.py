"""The page of a call in a real browser: open, play, jump, read, decide, unmask."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from console.access import Role
from storage.verdicts import verdicts_of
from tests.console.conftest import NARROW, Site, accessibility_faults, keep_shot, sticks_out
from tests.console.rich_calls import CLEAN, as_mp3, audit, demo_sounds, store_sounds
from tests.console.rich_fixtures import rich, rich_template  # noqa: F401 - fixtures
from tests.console.test_call_routes import trail_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("rich")]


def opened(site: Site, room_sid: str, *roles: Role, **how: object) -> Page:
    """The page of a call, drawn."""
    page = site.page(*(roles or (Role.LEAD,)), **how)  # type: ignore[arg-type]
    page.goto(f"/calls/{room_sid}")
    expect(page.locator("#call")).to_have_attribute("data-ready", "true")
    return page


@pytest.mark.parametrize(
    ("room_sid", "n_drawn"),
    [("RM_audited", 2), ("RM_live", 2), ("RM_deleted", 1), ("RM_clean", 2), ("RM_hostile", 1)],
)
@pytest.mark.parametrize("look", ["laptop", "narrow", "dark"])
def test_every_kind_of_call_is_drawn(site: Site, room_sid: str, n_drawn: int, look: str) -> None:
    """Lanes are drawn, nothing sticks out, and axe finds nothing."""
    how = {"laptop": {}, "narrow": {"size": NARROW}, "dark": {"dark": True}}[look]
    page = opened(site, room_sid, **how)
    expect(page.locator("[data-drawn]")).to_have_count(n_drawn)
    keep_shot(page, f"call-{room_sid}-{look}")
    assert accessibility_faults(page) == []
    assert not sticks_out(page)


def chosen(page: Page) -> str | None:
    """The number of the flag that is open, on its marker."""
    return page.locator("[data-marker][aria-current]").get_attribute("data-marker")


def test_playing_and_jumping(site: Site) -> None:
    """The space bar plays, the transcript follows and leads, arrows jump, and speed changes."""
    page = opened(site, "RM_audited")
    time = page.locator("#time")
    expect(time).to_have_text("0:00")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_contain_text("Pause")
    expect(time).to_have_text(re.compile("0:0[2-9]"))
    first = page.locator("#lines > li").nth(0)
    expect(first).to_have_attribute("aria-current", "true")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_contain_text("Play")
    page.get_by_text("Of course. Our savings plan").click()
    expect(time).to_have_text("0:13")
    expect(page.locator("#lines > li").nth(2)).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowRight")
    expect(time).to_have_text("0:18")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(time).to_have_text("0:08")
    page.keyboard.press(">")
    page.keyboard.press(">")
    expect(page.locator("#rate")).to_have_value("1.5")
    # From where one jumped to, the sound goes on: both voices, at the place of the call.
    page.locator("[data-seek='29.808']").first.click()
    page.keyboard.press(" ")
    expect(time).to_have_text(re.compile("0:3[1-9]"))
    page.keyboard.press(" ")
    rows = [row for row in trail_rows(site.console) if row[0] == "play"]
    assert {row[1] for row in rows} == {"RM_audited"}
    assert all(row[2]["masked"] for row in rows)
    # Nothing was fetched before somebody played.
    assert trail_rows(site.console)[0][0] == "view"
    keep_shot(page, "call-playing")


def test_markers_and_flags(site: Site) -> None:
    """J and k walk through the flags; a click on a marker opens its flag and goes there."""
    page = opened(site, "RM_audited")
    assert chosen(page) == "1"
    page.keyboard.press("j")
    assert chosen(page) == "2"
    expect(page.locator("#time")).to_have_text("0:07")
    page.keyboard.press("k")
    assert chosen(page) == "1"
    page.locator("[data-marker='6']").click()
    assert chosen(page) == "6"
    expect(page.locator("#flag-6")).to_have_attribute("open", "")
    expect(page.locator("#flag-1")).not_to_have_attribute("open", "")
    expect(page.locator("mark.chosen")).to_have_count(1)
    page.get_by_role("link", name="Flag 3").click()
    assert chosen(page) == "3"
    page.locator("#flag-3 .why > summary").click()
    expect(page.locator("#flag-3")).to_contain_text("conduct.promissory-claim")
    page.locator("#flag-3 .why details > summary").click()
    assert accessibility_faults(page) == []
    keep_shot(page, "call-why")
    boxes = [m.bounding_box() for m in page.locator("[data-lane='0'] [data-marker]").all()]
    lefts = [box["x"] for box in boxes if box is not None]
    assert all(b - a >= 24 for a, b in pairwise(lefts))


def test_pointing_into_a_lane(site: Site) -> None:
    """A click into a lane goes to that place of the call, zoomed as well."""
    page = opened(site, "RM_audited")
    lane = page.locator("[data-lane='1']")
    box = lane.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
    expect(page.locator("#time")).to_have_text("0:26")
    page.locator("#zoom").select_option("4")
    wide = page.locator("#wide").bounding_box()
    strips = page.locator("#strips").bounding_box()
    assert wide is not None
    assert strips is not None
    assert wide["width"] == pytest.approx(4 * strips["width"], rel=0.02)
    page.mouse.click(strips["x"] + strips["width"] / 2, strips["y"] + 60)
    expect(page.locator("#time")).to_have_text(re.compile("0:2[67]"))
    keep_shot(page, "call-zoomed")


def test_unmasking(site: Site) -> None:
    """U asks for a reason; then words and sound are in the clear, and the page says so loudly."""
    page = opened(site, "RM_audited")
    assert "four, five, three" not in page.content()
    page.keyboard.press("u")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert accessibility_faults(page) == []
    keep_shot(page, "call-unmask-dialog")
    page.get_by_label("Sound").check()
    page.get_by_label("Reason").fill("Complaint 4711: was the number read out?")
    page.get_by_role("button", name="Unmask", exact=True).click()
    expect(page.get_by_text("Unmasked until")).to_be_visible()
    expect(page.locator("#lines")).to_contain_text("four, five, three")
    page.keyboard.press(" ")
    expect(page.locator("#time")).to_have_text(re.compile("0:0[1-9]"))
    page.keyboard.press(" ")
    assert accessibility_faults(page) == []
    keep_shot(page, "call-unmasked")
    actions = [(action, detail.get("masked")) for action, _, detail in trail_rows(site.console)]
    assert actions[:4] == [
        ("view", True),
        ("unmask_text", None),
        ("unmask_audio", None),
        ("view", False),
    ]
    assert ("play", False) in actions
    assert ("play", True) not in actions
    page.get_by_role("button", name="Cover again").click()
    expect(page.locator("#lines")).not_to_contain_text("four, five, three")


def test_deciding_by_keys(site: Site) -> None:
    """Claim, walk, decide, note, and on to the next call, without a mouse."""
    page = opened(site, "RM_audited", Role.REVIEWER, name="ana")
    claim = page.locator("#claim")
    expect(claim.get_by_role("button", name="Claim")).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#notices")).to_contain_text("laim")
    site.complaints.clear()  # the browser notes each 409
    page.keyboard.press("c")
    expect(claim).to_contain_text("Yours until")
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.keyboard.type("That was an order number. <b>1 2 3</b>")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect(page.locator("#flag-2 [data-decided]")).to_have_text("false alarm")
    expect(page.locator("#notices")).to_contain_text("Flag 2: false alarm.")
    page.keyboard.press("3")
    expect(page.locator("#flag-2 [data-decided]")).to_have_text("escalated")
    keep_shot(page, "call-decided")
    assert accessibility_faults(page) == []
    with site.console.database.begin(read_only=True) as connection:
        found = verdicts_of(connection, "RM_audited")
    assert [(v.subject_id, v.decision.value, v.reviewer) for v in found] == [
        ("L-ssn", "false_alarm", "link:ana"),
        ("L-ssn", "escalated", "link:ana"),
    ]
    assert found[0].note == "That was an order number. <b>1 2 3</b>"
    actions = [row[0] for row in trail_rows(site.console)]
    assert actions == ["view", "claim", "verdict", "verdict"]
    page.reload()
    pressed = page.locator("#flag-2 [name=decision][aria-pressed=true]")
    expect(pressed).to_have_attribute("value", "escalated")
    page.keyboard.press("n")
    expect(page).not_to_have_url(re.compile("RM_audited"))


def test_closed_sound(site: Site) -> None:
    """A call that nobody checked can be read and walked through, and not heard."""
    page = opened(site, "RM_live", Role.REVIEWER)
    expect(page.locator("#play")).to_be_disabled()
    expect(page.get_by_text("Somebody who may unmask can hear it")).to_be_visible()
    page.keyboard.press(" ")
    expect(page.locator("#notices")).to_contain_text("no sound")
    page.keyboard.press("j")
    expect(page.locator("#time")).to_have_text("0:31")
    page.keyboard.press("u")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_keys_are_listed(site: Site) -> None:
    """The question mark shows what the keys do."""
    page = opened(site, "RM_audited")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("confirmed, false alarm, escalated")
    keep_shot(page, "call-keys")


def test_mp3_plays(site: Site) -> None:
    """A recording that is an MP3 plays, and is jumped into, as an Ogg does."""
    store = site.console.database, site.console.objects
    sounds = {who: as_mp3(data) for who, data in demo_sounds().items()}
    store_sounds(*store, "RM_mp3", sounds, suffix="mp3")
    audit(*store, "RM_mp3", f"This call is recorded. {CLEAN['agent']}", CLEAN["customer"])
    page = opened(site, "RM_mp3")
    expect(page.locator("[data-drawn]")).to_have_count(2)
    page.locator("#seek").fill("30")
    page.locator("#play").click()
    expect(page.locator("#time")).to_have_text(re.compile("0:3[1-9]"))
    assert [row[2]["masked"] for row in trail_rows(site.console) if row[0] == "play"]


def test_a_recording_that_cannot_be_played(site: Site) -> None:
    """The page says so, and goes on with what is left."""
    key = "redacted/2026-03-01/RM_audited/TR_2.ogg"
    site.console.objects.put_bytes(key, b"no sound", content_type="audio/ogg")
    page = opened(site, "RM_audited")
    page.locator("#play").click()
    expect(page.locator("#notices")).to_contain_text("cannot be played")
    expect(page.locator("#time")).to_have_text(re.compile("0:0[1-9]"))
