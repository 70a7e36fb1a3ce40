"""Signing in by the identity provider: the way there, the way back, and the way out."""

from __future__ import annotations

import logging

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.errors import NotThereError
from console.guard import GuardedRoute, session_token
from console.navigation import Place
from console.oidc import FLOW_TIME_S, Oidc, OidcError, new_flow
from console.pages.sign_in import signed_in
from console.rendering import render
from console.state import Console, console_of
from storage import console_sessions
from storage.console_sessions import SignedIn

logger = logging.getLogger("console")

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None
BACK = "/sign-in/oidc/back"


@router.get("/sign-in/oidc", openapi_extra={"public": True})
def begin(request: Request) -> Response:
    """Send the browser to the identity provider."""
    console, oidc = _oidc(request)
    flow = new_flow()
    try:
        address = oidc.start(flow, redirect_uri=f"{console.options.url}{BACK}")
    except OidcError as exc:
        return _problem(request, exc)
    response = RedirectResponse(address, status_code=303)
    response.set_cookie(
        _cookie(console),
        flow,
        max_age=FLOW_TIME_S,
        path="/",
        secure=console.options.is_https,
        httponly=True,
        samesite="lax",  # the way back begins at the provider
    )
    return response


@router.get(BACK, openapi_extra={"public": True})
def come_back(request: Request) -> Response:
    """Sign in whom the provider names, with a new session in any case."""
    console, oidc = _oidc(request)
    flow = request.cookies.get(_cookie(console), "")
    now = console.now()
    try:
        identity = oidc.finish(
            flow,
            dict(request.query_params),
            redirect_uri=f"{console.options.url}{BACK}",
            now=now,
        )
    except OidcError as exc:
        response = _problem(request, exc)
    else:
        who = SignedIn(
            person_id=identity.person_id,
            name=identity.name,
            roles=tuple(sorted(role.value for role in identity.roles)),
            expires_at=now + console.options.session_time,
        )
        earlier = session_token(request)
        if earlier:
            with console.database.begin() as connection:
                console_sessions.end_session(connection, console_sessions.hash_of(earlier))
        response = signed_in(console, who, how="oidc")
    # It worked or it did not: what the browser kept is not good for a second time.
    response.delete_cookie(
        _cookie(console), path="/", secure=console.options.is_https, httponly=True
    )
    return response


@router.get("/sign-in/out", openapi_extra={"public": True})
def out(request: Request) -> Response:
    """Say that one is signed out here, and lead to where to sign out of the provider."""
    console, oidc = _oidc(request)
    return render(
        request, "signed_out.html", address=oidc.end_address(back=f"{console.options.url}/sign-in")
    )


def _oidc(request: Request) -> tuple[Console, Oidc]:
    console = console_of(request)
    if console.oidc is None:
        raise NotThereError("This console does not sign in by an identity provider.")
    return console, console.oidc


def _cookie(console: Console) -> str:
    return f"{console.options.cookie}-flow"


def _problem(request: Request, exc: OidcError) -> Response:
    logger.warning("sign-in refused", extra={"error": exc.code})
    return render(
        request, "sign_in.html", status=exc.status, links=False, oidc=True, problem=exc.sentence
    )
