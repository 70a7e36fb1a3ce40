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
    oidc,
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
    adjudication,
    agreement,
    assigning,
    home,
    judging,
    oidc,
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
    call,
    call_sound,
)
