"""How far reviewers agree, by rule and by pair."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from console.access import Permission, Person
from console.agreement import FEW_UNITS, agreement_of
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.reviews import called, names_of
from console.state import console_of
from storage.judgements import judged_units

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Agreement", path="/agreement", permission=Permission.VIEW_QUALITY, order=45
)


@router.get("/agreement")
def show(
    request: Request,
    since: date | None = None,
    until: date | None = None,
    person: Person = needs(Permission.VIEW_QUALITY),
) -> Response:
    """Kappa and alpha of what two judged blindly, with how many things they rest on."""
    console = console_of(request)
    first = since or (console.now() - timedelta(days=90)).date()
    last = until or console.now().date()
    with console.database.begin(read_only=True) as connection:
        units = judged_units(
            connection,
            since=datetime.combine(first, time(), UTC),
            until=datetime.combine(last, time(), UTC) + timedelta(days=1),
        )
        names = names_of(connection)
    return render(
        request, "agreement.html", rules=agreement_of(units), since=first, until=last,
        few=FEW_UNITS, called=lambda who: called(names, who),
    )  # fmt: skip
