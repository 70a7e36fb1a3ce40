"""The pages, one module each: a `router` of guarded routes, and a `PLACE` in the menu, or None."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter

from console.navigation import Place
from console.pages import (
    adjudication,
    agreement,
    assigning,
    call,
    call_sound,
    home,
    judging,
    live,
    oidc,
    quality,
    queue,
    review_export,
    rule_edit,
    rule_proposals,
    rules,
    samples,
    sessions,
    sign_in,
    trail,
    work,
)


class Page(Protocol):
    """What a module of this package holds."""

    router: APIRouter
    PLACE: Place | None


# Pages of one call come last: `/calls/{room_sid}` would take in their neighbours' addresses.
PAGES: tuple[Page, ...] = (
    home,
    sign_in,
    oidc,
    work,
    queue,
    judging,
    assigning,
    adjudication,
    samples,
    agreement,
    review_export,
    live,
    rules,
    rule_edit,
    rule_proposals,
    quality,
    trail,
    sessions,
    call,
    call_sound,
)
