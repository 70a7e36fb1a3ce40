"""Signing in and out. One-time links are for a console on the same machine; see also OIDC."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.errors import NotThereError, SignInNeededError
from console.guard import GuardedRoute, check_form, person_of, session_token
from console.navigation import Place
from console.rendering import render
from console.state import Console, console_of
from storage import console_sessions, trail
from storage.console_sessions import SignedIn
from storage.trail import TrailAction, TrailEvent

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None


@router.get("/sign-in", openapi_extra={"public": True})
def ask(request: Request) -> Response:
    """Show how to sign in."""
    person = person_of(request)
    if person is not None:
        return RedirectResponse("/", status_code=303)
    console = console_of(request)
    return render(
        request, "sign_in.html", links=console.options.links, oidc=console.oidc is not None,
        problem=None,
    )  # fmt: skip


@router.get("/sign-in/link", openapi_extra={"public": True})
def by_link(request: Request, token: str = "") -> Response:
    """Sign in by a one-time link."""
    console = console_of(request)
    if not console.options.links:
        raise NotThereError("This console does not sign in by links.")
    now = console.now()
    with console.database.begin() as connection:
        found = console_sessions.use_link(
            connection, token, session_time=console.options.session_time, now=now
        )
    if found is None:
        return render(
            request, "sign_in.html", status=401, links=True, oidc=console.oidc is not None,
            problem="This link was used already, or is too old. Make a new one.",
        )  # fmt: skip
    return signed_in(console, found, how="link")


def signed_in(console: Console, who: SignedIn, *, how: str) -> Response:
    """Begin a session, note it, and lead to the first page. Always a new token: none is taken over.

    Args:
        console: Where.
        who: Who, and until when.
        how: link or oidc.
    """
    with console.database.begin() as connection:
        token = console_sessions.begin_session(connection, who, now=console.now())
        trail.append(
            connection,
            TrailEvent(
                actor=who.person_id,
                action=TrailAction.SIGN_IN,
                room_sid=None,
                subject=None,
                detail={"how": how, "roles": ",".join(who.roles)},
            ),
        )
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        console.options.cookie,
        token,
        max_age=int((who.expires_at - console.now()).total_seconds()),
        path="/",
        secure=console.options.is_https,
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/sign-out", openapi_extra={"public": True})
async def sign_out(request: Request) -> Response:
    """End the session."""
    console = console_of(request)
    person = person_of(request)
    if person is None:
        raise SignInNeededError("Nobody is signed in here.")
    request.state.person = person
    await check_form(request)
    token = session_token(request) or ""
    with console.database.begin() as connection:
        console_sessions.end_session(connection, console_sessions.hash_of(token))
        trail.append(
            connection,
            TrailEvent(
                actor=person.id, action=TrailAction.SIGN_OUT, room_sid=None, subject=None, detail={}
            ),
        )
    # Not straight to the provider: the policy lets no form lead elsewhere.
    where = "/sign-in" if console.oidc is None else "/sign-in/out"
    response = RedirectResponse(where, status_code=303)
    response.delete_cookie(
        console.options.cookie, path="/", secure=console.options.is_https, httponly=True
    )
    return response
