"""Giving calls to people, and taking them back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.errors import BadRequestError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.reviews import called, names_of, told
from console.state import console_of
from storage import trail
from storage.assignments import MAX_CALLS, assign, open_by_assignee, unassign
from storage.queue import Queue
from storage.queue_filter import QueueFilter, Shown
from storage.trail import TrailAction, TrailEvent

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Assignments", path="/assignments", permission=Permission.ASSIGN, order=15
)


@router.get("/assignments")
def show(request: Request, person: Person = needs(Permission.ASSIGN)) -> Response:
    """How many open calls everybody has."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        names = names_of(connection)
        counts = open_by_assignee(connection)
        queue = Queue(connection, now=console.now(), viewer=person.id)
        unassigned = queue.count(QueueFilter(status=Shown.OPEN, is_assigned=False))
    return render(
        request, "assignments.html", counts=counts, unassigned=unassigned,
        called=lambda who: called(names, who),
    )  # fmt: skip


@router.post("/assignments")
def give(
    request: Request,
    call: Annotated[list[str], Form(default_factory=list, max_length=MAX_CALLS)],
    assignee: str = Form("", max_length=200),
    back: str = Form("", max_length=4000),
    person: Person = needs(Permission.ASSIGN),
) -> Response:
    """Give the chosen calls to somebody; to nobody takes them back."""
    if not call:
        raise BadRequestError("No call was chosen. Mark some in the queue first.")
    console = console_of(request)
    with told(), console.database.begin() as connection:
        if assignee:
            changed = assign(connection, call, assignee, assigned_by=person.id, now=console.now())
        else:
            changed = unassign(connection, call)
        for room_sid in changed:
            trail.append(
                connection,
                TrailEvent(
                    actor=person.id, action=TrailAction.ASSIGN, room_sid=room_sid,
                    subject=assignee or None, detail={"to_nobody": not assignee},
                ),
            )  # fmt: skip
    # Only to the queue: an address from a form could lead anywhere.
    return RedirectResponse(f"/queue?{back}" if _is_query(back) else "/queue", status_code=303)


def _is_query(text: str) -> bool:
    return bool(text) and text.isprintable() and not set(text) & set(' #\\"<>')
