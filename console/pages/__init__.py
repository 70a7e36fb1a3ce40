"""The pages, one module each: a `router` of guarded routes, and a `PLACE` in the menu, or None."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter

from console.navigation import Place
from console.pages import (
    home,
    live,
    quality,
    rule_edit,
    rule_proposals,
    rules,
    sessions,
    sign_in,
)


class Page(Protocol):
    """What a module of this package holds."""

    router: APIRouter
    PLACE: Place | None


PAGES: tuple[Page, ...] = (
    home,
    sign_in,
    sessions,
    live,
    rules,
    rule_edit,
    rule_proposals,
    quality,
)
