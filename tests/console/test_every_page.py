"""What holds of every page, those to come included."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.access import Role
from console.guard import GuardedRoute, routes_of
from console.rendering import FOLDER
from tests.console.conftest import (
    LAPTOP,
    NARROW,
    Site,
    accessibility_faults,
    keep_shot,
    sticks_out,
)
from tests.console.seed import live_call

TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
MODULES = sorted((FOLDER / "static").glob("*.js"))
# Script or style in a page, and what makes some of it.
FORBIDDEN = re.compile(
    r"<script(?![^>]*\ssrc=)|<style(?![^>]*\snonce=)|\sstyle=|\son\w+=|hx-on|javascript:|\|\s*safe\b",
    re.IGNORECASE,
)
IN_MODULES = re.compile(
    r"\beval\(|new Function\(|\.innerHTML\s*=|insertAdjacentHTML|document\.write"
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_script_and_no_style(path: Path) -> None:
    """Nor does it let anything through unescaped."""
    assert FORBIDDEN.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_makes_no_markup_of_text(path: Path) -> None:
    """Text stays text: what comes from a call is never parsed as markup."""
    assert IN_MODULES.findall(path.read_text(encoding="utf-8")) == []


def is_plain_page(route: GuardedRoute) -> bool:
    """Whether a route answers with a page that needs no id in its address."""
    return (
        "GET" in route.methods
        and "{" not in route.path
        and route.shows not in {"audio", "download", "export"}
        and not route.path.endswith(("/stream", "/healthz"))
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "dark"),
    [
        pytest.param(LAPTOP, False, id="laptop-light"),
        pytest.param(NARROW, True, id="narrow-dark"),
    ],
)
def test_no_page_keeps_anybody_out(site: Site, size: tuple[int, int], dark: bool) -> None:
    """Page by page: axe finds nothing against WCAG A and AA, and nothing sticks out sideways."""
    for number in range(1, 4):
        live_call(site.console.database, number, n_hits=number)
    page = site.page(*Role, name="ana", size=size, dark=dark)
    faults: dict[str, object] = {}
    shown = []
    for route in routes_of(site.app):
        if not is_plain_page(route):
            continue
        answer = page.request.get(route.path)
        assert answer.status < 500, route.path
        if not answer.ok or not answer.headers["content-type"].startswith("text/html"):
            continue  # it wants more than its address, or is no page
        if "<html" not in answer.text():
            continue  # a part of a page
        page.goto(route.path)
        found: list[str] = accessibility_faults(page)
        if sticks_out(page):
            found.append("sticks out")
        if found:
            faults[route.path] = found
        shown.append(route.path)
        name = route.path.strip("/").replace("/", "-") or "home"
        keep_shot(page, f"every-{name}-{size[0]}-{'dark' if dark else 'light'}")
    assert faults == {}
    assert {"/queue", "/work", "/samples", "/live", "/rules", "/trail", "/sessions"} <= set(shown)
