"""The way in: leads to the first page of the menu."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.guard import GuardedRoute, person_of
from console.headers import HEALTH_PATH
from console.navigation import Place
from console.rendering import render

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None


@router.get("/", openapi_extra={"public": True})
def home(request: Request) -> Response:
    """Lead to the first place of the person's menu, or to where to sign in."""
    person = person_of(request)
    if person is None:
        return RedirectResponse("/sign-in", status_code=303)
    request.state.person = person
    places = request.app.state.pages.places(person)
    if not places:
        return render(
            request, "error.html", status=403, title="Nothing here yet",
            sentence="Your role has no page of this console.",
        )  # fmt: skip
    return RedirectResponse(places[0].path, status_code=303)


@router.get(HEALTH_PATH, openapi_extra={"public": True})
def health() -> dict[str, str]:
    """Say that the console answers."""
    return {"status": "ok"}
