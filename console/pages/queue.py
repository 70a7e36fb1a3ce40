"""The queue: flagged calls, filtered and sorted; views that are kept; the next call."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.errors import NotAllowedError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.reviews import ALL, called, names_of, told, view_of, waited
from console.state import console_of
from rules.types import Severity
from storage import trail
from storage.assignments import open_by_assignee
from storage.queue import Queue
from storage.queue_filter import Cursor, Shown, Sort
from storage.queue_summary import Flagged, n_stale
from storage.review_claims import claim_next
from storage.saved_views import MAX_NAME_CHARS, delete_view, save_view, views_for
from storage.trail import TrailAction, TrailEvent

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Queue", path="/queue", permission=Permission.VIEW_CALLS, order=10
)


@router.get("/queue")
def show(
    request: Request, after: str = "", person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """A page of the queue, or only its rows where a part of a page asks."""
    console = console_of(request)
    now = console.now()
    view = view_of(request.query_params)
    with told():
        cursor = Cursor.from_text(after) if after else None
    with console.database.begin(read_only=True) as connection:
        queue = Queue(connection, now=now, viewer=person.id)
        page = queue.page(view.which, sort=view.sort, after=cursor)
        count = queue.count(view.which)
        names = names_of(connection)
        context: dict[str, Any] = {
            "view": view, "page": page, "count": count, "n_stale": n_stale(connection),
            "called": lambda who: called(names, who), "waited": lambda at: waited(at, now),
            "is_first": cursor is None,
        }  # fmt: skip
        if _wants_rows(request):
            return render(request, "_queue_rows.html", **context)
        context |= {
            "rules": queue.rule_ids(), "views": views_for(connection, person.id),
            "assignees": tuple(open_by_assignee(connection)), "people": sorted(names.items()),
            "query_text": lambda query: urlencode(dict(query)),
            "shown": tuple(Shown), "severities": tuple(reversed(Severity)), "sorts": tuple(Sort),
            "flagged": tuple(Flagged), "all": ALL, "max_name": MAX_NAME_CHARS,
        }  # fmt: skip
    return render(request, "queue.html", **context)


@router.post("/queue/next")
def go_on(
    request: Request,
    skip: str = Form("", max_length=200),
    person: Person = needs(Permission.REVIEW),
) -> Response:
    """Claim the call that the person should do next, and lead to it."""
    console = console_of(request)
    now = console.now()
    with console.database.begin() as connection:
        claim = claim_next(
            connection,
            person.id,
            now=now,
            skip=skip or None,
            lease_s=console.options.claim_time.total_seconds(),
        )
        if claim is not None:
            trail.append(
                connection,
                TrailEvent(
                    actor=person.id, action=TrailAction.CLAIM, room_sid=claim.room_sid,
                    detail={"how": "next"},
                ),
            )  # fmt: skip
    if claim is None:
        return RedirectResponse("/work?done=yes", status_code=303)
    return RedirectResponse(f"/calls/{claim.room_sid}", status_code=303)


@router.post("/queue/views")
def keep(
    request: Request,
    name: str = Form(max_length=4 * MAX_NAME_CHARS),
    query: str = Form("", max_length=4000),
    shared: bool = Form(default=False),
    person: Person = needs(Permission.VIEW_CALLS),
) -> Response:
    """Keep what the queue shows now under a name."""
    console = console_of(request)
    view = view_of(_parsed(query))
    if shared and not person.may(Permission.ASSIGN):
        raise NotAllowedError("Only a lead shares views with others.")
    with told(), console.database.begin() as connection:
        save_view(
            connection, owner=person.id, name=name, query=view.query, is_shared=shared,
            now=console.now(),
        )  # fmt: skip
    return RedirectResponse(view.address(), status_code=303)


@router.post("/queue/views/{view_id}/delete")
def forget(
    request: Request, view_id: str, person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """Delete a view of one's own."""
    with told(), console_of(request).database.begin() as connection:
        delete_view(connection, view_id, person.id)
    return RedirectResponse("/queue", status_code=303)


def _wants_rows(request: Request) -> bool:
    # Who goes back in the browser gets the whole page.
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def _parsed(query: str) -> dict[str, str]:

    return dict(parse_qsl(query, max_num_fields=50))
