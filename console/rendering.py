"""Turns templates into pages. Everything that comes from outside is escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from console.access import Permission, Person
from console.guard import CSRF_FIELD, csrf_token, session_token
from console.navigation import Place, places_for

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
# What is not known, or does not apply: an en dash.
NONE = "\u2013"


class Pages:
    """The templates, and the menu that stands on each page."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = tuple(places)
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = moment
        self._templates.filters["clock"] = clock
        self._templates.globals["static"] = static_url
        self._templates.globals["Permission"] = Permission

    def places(self, person: Person | None) -> tuple[Place, ...]:
        """The menu of a person."""
        return places_for(person, self._places)

    def render(
        self, request: Request, name: str, *, status: int = 200, **context: Any
    ) -> HTMLResponse:
        """A page or, where the template's name begins with "_", a part of one.

        Args:
            request: Who asks.
            name: File under `templates/`.
            status: HTTP status.
            context: What the template shows.
        """
        person: Person | None = getattr(request.state, "person", None)
        token = session_token(request) if person is not None else None
        csrf = csrf_token(token) if token else ""
        text = self._templates.get_template(name).render(
            request=request,
            person=person,
            may=person.may if person is not None else _may_nothing,
            places=self.places(person),
            path=request.url.path,
            nonce=request.state.nonce,
            csrf=csrf,
            csrf_field=lambda: csrf_field(csrf),
            **context,
        )
        return HTMLResponse(text, status_code=status)


def render(request: Request, name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page of the console that the request came to; see `Pages.render`."""
    pages: Pages = request.app.state.pages
    return pages.render(request, name, status=status, **context)


def _may_nothing(permission: Permission) -> bool:
    return False


def csrf_field(token: str) -> Markup:
    """The hidden field that each form carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, token)


@lru_cache(maxsize=256)
def static_url(name: str) -> str:
    """Address of a static file that changes with what is in it, so that browsers may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def moment(at: datetime | None) -> Markup:
    """A wall time, UTC, in a `time` element; a dash for none."""
    if at is None:
        return Markup("{}").format(NONE)
    shown = at.strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), shown)


def clock(seconds: float | None) -> str:
    """Seconds as people read them: 1:05, 1:02:03; a dash for none."""
    if seconds is None:
        return NONE
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours}:{minutes:02}:{whole % 60:02}"
    return f"{minutes}:{whole % 60:02}"
