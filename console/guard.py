"""What stands before every page: who is asking, what they may, and that it is noted.

A route names its permission by `needs(...)`, or says that it is `public`. A route that shows words
or sound says so in `openapi_extra={"shows": ...}`; its response does not leave unless
`console.showing.note_shown` has written into the trail. `routes_of` finds routes that do neither:
the console does not start with one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from console.access import Permission, Person, roles_of
from console.errors import (
    ConsoleSetupError,
    NotAllowedError,
    NotNotedError,
    SignInNeededError,
)
from console.state import console_of
from storage import console_sessions

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
# What may stand under `openapi_extra["shows"]`.
SHOWS = frozenset({"text", "audio", "download", "export"})

_MARK = "earmark_permission"


def csrf_token(session_token: str) -> str:
    """What forms of a session carry: made of its token, which other sites cannot read."""
    return hmac.new(session_token.encode(), b"csrf", hashlib.sha256).hexdigest()


def session_token(request: Request) -> str | None:
    """The token of the browser that asks."""
    return request.cookies.get(console_of(request).options.cookie)


def person_of(request: Request) -> Person | None:
    """Who is signed in; None = nobody."""
    token = session_token(request)
    if not token:
        return None
    console = console_of(request)
    now = console.now()
    with console.database.begin(read_only=True) as connection:
        found = console_sessions.session_of(connection, token, now=now)
    if found is None:
        return None
    signed_in, is_due = found
    if is_due:
        with console.database.begin() as connection:
            console_sessions.touch_session(connection, token, now=now)
    return Person(id=signed_in.person_id, name=signed_in.name, roles=roles_of(signed_in.roles))


def needs(permission: Permission) -> Any:
    """A dependency that gives the person who asks, if they may.

    Raises:
        SignInNeededError: nobody is signed in.
        NotAllowedError: the roles do not reach that far, or a form came from elsewhere.
    """

    async def guard(request: Request) -> Person:
        person = await run_in_threadpool(person_of, request)
        if person is None:
            raise SignInNeededError("Sign in to go on.")
        request.state.person = person
        if request.method not in _SAFE:
            await check_form(request)
        if not person.may(permission):
            raise NotAllowedError("Your role does not reach this page.")
        return person

    setattr(guard, _MARK, permission)
    return Depends(guard)


async def check_form(request: Request) -> None:
    """See that a form is one of ours, filled in by whoever is signed in.

    Raises:
        NotAllowedError: it is not.
    """
    check_origin(request)
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        form = await request.form()
        field = form.get(CSRF_FIELD)
        given = field if isinstance(field, str) else ""
    expected = csrf_token(session_token(request) or "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise NotAllowedError("This form is too old, or not ours. Load the page again.")


def check_origin(request: Request) -> None:
    """See that a request was not sent by another site's page.

    Raises:
        NotAllowedError: it was.
    """
    # The host is one of ours: `console.headers` turns all others away.
    scheme = "https" if console_of(request).options.is_https else "http"
    origin = request.headers.get("origin")
    if origin is not None and origin.lower() != f"{scheme}://{request.headers['host'].lower()}":
        raise NotAllowedError("This request was sent by another site.")
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise NotAllowedError("This request was sent by another site.")


class GuardedRoute(APIRoute):
    """A route whose response leaves only when what it shows is in the trail."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the look at the trail after it."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def handle_and_look(request: Request) -> Response:
            response = await handle(request)
            if self.shows and response.status_code < 300 and not was_noted(request):
                raise NotNotedError("What this page shows is not in the trail; it is not shown.")
            return response

        return handle_and_look

    @property
    def shows(self) -> str | None:
        """What of a call it shows: text, audio, download or export; None = nothing."""
        return (self.openapi_extra or {}).get("shows")

    @property
    def is_public(self) -> bool:
        """Whether nobody need be signed in."""
        return bool((self.openapi_extra or {}).get("public"))

    @property
    def permission(self) -> Permission | None:
        """What it asks for; None = nothing."""
        return next(_permissions(self.dependant), None)


def was_noted(request: Request) -> bool:
    """Whether the trail was written for this request."""
    return bool(getattr(request.state, "noted", False))


def routes_of(app: FastAPI) -> tuple[GuardedRoute, ...]:
    """All routes, each guarded.

    Raises:
        ConsoleSetupError: one is not.
    """
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Mount) and route.name == "static":
            continue
        if not isinstance(route, GuardedRoute):
            raise ConsoleSetupError(f"route {context.path}: its router needs GuardedRoute")
        if route.permission is None and not route.is_public:
            raise ConsoleSetupError(f"route {route.path}: names no permission, and is not public")
        if route.shows is not None and route.shows not in SHOWS:
            raise ConsoleSetupError(f"route {route.path}: shows {route.shows}, which is not known")
        found.append(route)
    return tuple(found)


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    for each in dependant.dependencies:
        permission = getattr(each.call, _MARK, None)
        if permission is not None:
            yield permission
        yield from _permissions(each)
