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
    queue,
    review_export,
    samples,
    sessions,
    sign_in,
    work,
)


class Page(Protocol):
    """What a module of this package holds."""

    router: APIRouter
    PLACE: Place | None


PAGES: tuple[Page, ...] = (
    home,
    sign_in,
    work,
    queue,
    call,
    call_sound,
    judging,
    assigning,
    adjudication,
    samples,
    agreement,
    review_export,
    sessions,
)
