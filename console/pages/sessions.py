"""Who is signed in, and how to sign them out."""

from __future__ import annotations

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.errors import NotThereError
from console.guard import GuardedRoute, needs, session_token
from console.navigation import Place
from console.rendering import render
from console.state import console_of
from storage import console_sessions, trail
from storage.trail import TrailAction, TrailEvent

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Sessions", path="/sessions", permission=Permission.MANAGE, order=90
)


@router.get("/sessions")
def show(request: Request, person: Person = needs(Permission.MANAGE)) -> Response:
    """List who is signed in."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        found = console_sessions.sessions(connection, now=console.now())
    own = console_sessions.hash_of(session_token(request) or "")
    return render(request, "sessions.html", sessions=found, own=own)


@router.post("/sessions/end")
def end(
    request: Request,
    session: str = Form(max_length=64),
    person: Person = needs(Permission.MANAGE),
) -> Response:
    """Sign somebody out."""
    console = console_of(request)
    with console.database.begin() as connection:
        if not console_sessions.end_session(connection, session):
            raise NotThereError("This session is over already.")
        trail.append(
            connection,
            TrailEvent(
                actor=person.id, action=TrailAction.MANAGE, room_sid=None, subject=session[:16],
                detail={"what": "session_ended"},
            ),
        )  # fmt: skip
    return RedirectResponse("/sessions", status_code=303)
