"""A reviewer's own work: what they are at, what they were given, what they drew."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from console.access import Permission, Person
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.reviews import waited
from console.state import console_of
from storage.queue import Queue
from storage.queue_filter import QueueFilter, Shown, Sort
from storage.review_claims import claims_of
from storage.samples import all_samples, sampled_calls

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(title="My work", path="/work", permission=Permission.REVIEW, order=5)

_MAX_GIVEN = 100


@router.get("/work")
def show(request: Request, done: str = "", person: Person = needs(Permission.REVIEW)) -> Response:
    """Claims, assigned calls, and samples with calls to listen to."""
    console = console_of(request)
    now = console.now()
    with console.database.begin(read_only=True) as connection:
        queue = Queue(connection, now=now, viewer=person.id)
        claims = claims_of(connection, person.id, now=now)
        given = queue.page(
            QueueFilter(status=Shown.OPEN, assignee=person.id), sort=Sort.SEVERITY,
            n_calls=_MAX_GIVEN,
        )  # fmt: skip
        open_calls = queue.count(QueueFilter(status=Shown.OPEN, is_assigned=False))
        samples = [
            (sample, n_waiting)
            for sample in all_samples(connection, limit=10)
            if (n_waiting := sum(
                call.outcome is None for call in sampled_calls(connection, sample.sample_id)
            ))
        ]  # fmt: skip
        at_work = queue.calls([claim.room_sid for claim in claims])
    return render(
        request, "work.html", at_work=at_work, given=given, open_calls=open_calls, samples=samples,
        waited=lambda at: waited(at, now), is_done=bool(done),
    )  # fmt: skip
