"""What goes on now: calls, who listens to them, and alerts as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from console.access import Permission, Person
from console.guard import GuardedRoute, needs, session_token
from console.live_feed import LiveFeed, StreamSeats, seat
from console.navigation import Place
from console.rendering import render
from console.showing import note_shown
from console.state import console_of
from storage.live_view import (
    SETTLING_S,
    Cursor,
    LiveCall,
    LiveHit,
    latest_hits,
    live_calls,
)
from storage.trail import TrailAction

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(title="Live", path="/live", permission=Permission.VIEW_LIVE, order=20)
_MAX_SHOWN = 50


@cache
def stream_seats() -> StreamSeats:
    """The streams of this process."""
    return StreamSeats()


@router.get("/live", openapi_extra={"shows": "text"})
def show(request: Request, person: Person = needs(Permission.VIEW_LIVE)) -> Response:
    """Show calls that go on and the latest alerts; a stream keeps both up to date."""
    console = console_of(request)
    now = console.now()
    with console.database.begin(read_only=True) as connection:
        calls = live_calls(connection, now=now)
        hits = latest_hits(connection, limit=_MAX_SHOWN)
    settled = now - timedelta(seconds=SETTLING_S)
    seen = {hit.mark: hit.recorded_at for hit in hits if hit.recorded_at >= settled}
    note_shown(request, TrailAction.VIEW, subject="live", detail={"n_hits": len(hits)})
    return render(
        request, "live.html", calls=calls, hits=hits, cursor=Cursor(horizon=settled, seen=seen),
        max_shown=_MAX_SHOWN,
    )  # fmt: skip


@router.get("/live/stream", openapi_extra={"shows": "text"})
async def stream(
    request: Request, after: str = "", person: Person = needs(Permission.VIEW_LIVE)
) -> Response:
    """Send what is new, event by event; `Last-Event-ID` or `after` says what was seen."""
    console = console_of(request)
    now = console.now()
    known = request.headers.get("last-event-id") or after
    cursor = Cursor.parse(known, now=now) if len(known) < 4096 else None
    if cursor is None:
        cursor = Cursor(horizon=now - timedelta(seconds=SETTLING_S))
    seats = stream_seats()
    seats.take(person.id)
    try:
        await run_in_threadpool(
            note_shown, request, TrailAction.VIEW, subject="live", detail={"what": "stream"}
        )
    except BaseException:
        seats.leave(person.id)
        raise
    feed = LiveFeed(
        console, session_token(request) or "", cursor,
        show_hit=lambda hit: _hit_markup(request, hit),
        show_calls=lambda calls: _calls_markup(request, calls),
    )  # fmt: skip

    async def body() -> AsyncIterator[str]:
        with seat(seats, person.id):
            async for each in feed.events():
                yield each

    return StreamingResponse(
        body(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


def _hit_markup(request: Request, hit: LiveHit) -> str:
    return bytes(render(request, "_live_hit.html", hit=hit).body).decode()


def _calls_markup(request: Request, calls: tuple[LiveCall, ...]) -> str:
    return bytes(render(request, "_live_calls.html", calls=calls).body).decode()
