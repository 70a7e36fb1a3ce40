"""The page of rule quality, and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup
from playwright.sync_api import expect
from starlette.testclient import TestClient

from console.access import Role
from console.charts import NONE, interval, percent, trend
from console.state import Console
from storage.findings import LiveVerdict
from storage.rule_quality import Share, Week
from tests.console.conftest import (
    LAPTOP,
    NARROW,
    Site,
    accessibility_faults,
    keep_shot,
    sticks_out,
)
from tests.storage.rulebooks import imported
from tests.storage.test_rule_quality import C, E, F, audited, judge


def filled(console: Console) -> None:
    """Some weeks of a rule in force and of one that is not."""
    imported(console.database)
    now = console.now()
    for week, (n_true, n_false) in enumerate([(2, 3), (4, 2), (0, 0), (7, 1), (9, 0)]):
        at = now - timedelta(weeks=week, minutes=5)
        for n in range(n_true + n_false):
            judge(
                console.database, f"{week}-{n}", ("rita", C if n < n_true else F), at=at,
                rule_id="qa.secrecy",
            )  # fmt: skip
        audited(
            console.database, f"k{week}",
            *([LiveVerdict.CONFIRMED] * (week + 1)), LiveVerdict.MISSED_LIVE,
            room=f"RM_{week}", at=at,
        )  # fmt: skip
    judge(console.database, "e", ("rita", E), at=now - timedelta(minutes=5), rule_id="qa.secrecy")


@pytest.mark.parametrize(
    ("share", "shown", "range_shown"),
    [
        (None, NONE, "none yet"),
        (Share(n=9, of=10), "90 %", "60 to 98 %, n = 10"),
        (Share(n=0, of=1), "0 %", "0 to 79 %, n = 1"),
    ],
)
def test_shares_as_people_read_them(share: Share | None, shown: str, range_shown: str) -> None:
    """With of how many, and how sure that is."""
    assert (percent(share), interval(share)) == (shown, range_shown)


def parsed(svg: Markup) -> ET.Element:
    """What a browser would read."""
    return ET.fromstring(str(svg))  # noqa: S314 - our own


def test_a_picture_says_in_words_what_it_shows() -> None:
    """One image with a text; a week without anything is a gap in its line."""
    weeks = [
        Week(monday=date(2026, 3, 2) + timedelta(weeks=n), precision=None, recall=None)
        for n in range(4)
    ]
    shares = [Share(n=1, of=2), Share(n=2, of=2), None, Share(n=3, of=4)]
    svg = parsed(trend(weeks, shares, label='Precision of <b> & "c"'))
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == (
        'Precision of <b> & "c": week of 02 Mar: 50 % of 2; week of 09 Mar: 100 % of 2; '
        "week of 23 Mar: 75 % of 4."
    )
    tags = [child.tag for child in svg]
    assert (tags.count("polyline"), tags.count("circle")) == (1, 3)
    assert "style" not in ET.tostring(svg, encoding="unicode")
    empty = parsed(trend(weeks, [None] * 4, label="X"))
    assert empty.attrib["aria-label"] == "X: nothing in these weeks."


def test_the_page(console: Console, signed_in: Callable[..., TestClient]) -> None:
    """Rules by id, with titles of those in force."""
    client = signed_in(Role.LEAD)
    assert "Nothing was decided" in client.get("/quality").text
    filled(console)
    page = " ".join(client.get("/quality").text.split())
    assert "Secrecy asked for" in page
    assert "not in force" in page
    assert "79 %" in page  # 22 of 28
    assert client.get("/quality?weeks=4").status_code == 200
    assert client.get("/quality?weeks=5").status_code == 400


@pytest.mark.parametrize(
    ("shade", "size", "dark"),
    [("light", LAPTOP, False), ("narrow-dark", NARROW, True)],
)
def test_the_page_is_fit_to_be_read(
    site: Site, shade: str, size: tuple[int, int], dark: bool
) -> None:
    """No WCAG A or AA fault, nothing to push sideways, and a picture to look at."""
    filled(site.console)
    page = site.page(Role.LEAD, size=size, dark=dark)
    page.goto("/quality")
    expect(page.get_by_role("img").first).to_be_visible()
    assert accessibility_faults(page) == []
    assert not sticks_out(page)
    keep_shot(page, f"quality-{shade}")
