"""The audit trail: who saw, heard and decided what, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from console.access import Permission, Person
from console.anchoring import Verified
from console.errors import BadRequestError, NotThereError
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.showing import note_shown
from console.state import Console, console_of
from storage.trail import TrailAction
from storage.trail_anchor import anchor_state
from storage.trail_reading import TrailFilter, TrailFormat, export_lines, newest_entries

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Trail", path="/trail", permission=Permission.VIEW_TRAIL, order=80
)
PAGE_ENTRIES = 50
_MAX_CHARS = 200


def _given(
    actor: Annotated[str, Query(max_length=_MAX_CHARS)] = "",
    action: Annotated[str, Query(max_length=_MAX_CHARS)] = "",
    call: Annotated[str, Query(max_length=_MAX_CHARS)] = "",
    since: Annotated[str, Query(max_length=10)] = "",
    until: Annotated[str, Query(max_length=10)] = "",
) -> dict[str, str]:
    """The filters of an address that say something."""
    fields = {"actor": actor, "action": action, "call": call, "since": since, "until": until}
    stripped = {name: value.strip() for name, value in fields.items()}
    return {name: value for name, value in stripped.items() if value}


Given = Annotated[dict[str, str], Depends(_given)]


@router.get("/trail")
def show(
    request: Request,
    given: Given,
    before: int | None = Query(None, ge=1, le=2**63 - 1),
    person: Person = needs(Permission.VIEW_TRAIL),
) -> Response:
    """Show a page of entries, the newest first."""
    wanted = _wanted(given)
    with console_of(request).database.begin(read_only=True) as connection:
        found = newest_entries(connection, wanted, before=before, limit=PAGE_ENTRIES + 1)
    entries = found[:PAGE_ENTRIES]
    state = _state(request)
    older = {**given, "before": str(entries[-1].seq)} if len(found) > PAGE_ENTRIES else None
    return render(
        request,
        "trail.html",
        entries=entries,
        actions=tuple(TrailAction),
        given=given,
        query=urlencode(given),
        older=urlencode(older) if older else None,
        is_newest=before is None,
        doubtful=_doubtful(state["verified"], [entry.seq for entry in entries]),
        **state,
    )


@router.get("/trail/state")
def stands(request: Request, person: Person = needs(Permission.VIEW_TRAIL)) -> Response:
    """Show how the trail stands, as a part of the page."""
    return render(request, "_trail_state.html", **_state(request))


@router.post("/trail/verify")
def verify(request: Request, person: Person = needs(Permission.VIEW_TRAIL)) -> Response:
    """Begin to verify."""
    anchoring = console_of(request).anchoring
    if anchoring is None:
        raise NotThereError("This console has no key to check heads of the trail with.")
    anchoring.verify()
    return RedirectResponse("/trail", status_code=303)


@router.get("/trail/export", openapi_extra={"shows": "export"})
def export(
    request: Request,
    given: Given,
    kind: str = Query("jsonl", alias="format", max_length=10),
    person: Person = needs(Permission.VIEW_TRAIL),
) -> Response:
    """Give all entries that are wanted as a file; noted first."""
    wanted = _wanted(given)
    if kind not in set(TrailFormat):
        raise BadRequestError("The format is jsonl or csv.")
    format_ = TrailFormat(kind)
    console = console_of(request)
    note_shown(
        request, TrailAction.EXPORT, subject="trail", detail={"format": format_.value, **given}
    )
    media_type = "text/csv" if format_ is TrailFormat.CSV else "application/jsonl"
    name = f"trail-{console.now():%Y-%m-%d}.{format_}"
    return StreamingResponse(
        _lines(console, wanted, format_),
        media_type=f"{media_type}; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _lines(console: Console, wanted: TrailFilter, format_: TrailFormat) -> Iterator[str]:
    with console.database.begin(read_only=True) as connection:
        yield from export_lines(connection, wanted, format_)


def _state(request: Request) -> dict[str, Any]:
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        anchored = anchor_state(connection)
    anchoring = console.anchoring
    return {
        "anchored": anchored,
        "has_key": anchoring is not None,
        "verified": anchoring.verified if anchoring is not None else None,
    }


def _doubtful(verified: Verified | None, seqs: Iterable[int]) -> frozenset[int]:
    """Entries of a page that the last verification named."""
    if verified is None or verified.found is None:
        return frozenset()
    spans = [(fault.seq, fault.last_seq) for fault in verified.found.faults]
    return frozenset(seq for seq in seqs if any(first <= seq <= last for first, last in spans))


def _wanted(given: Mapping[str, str]) -> TrailFilter:
    action = given.get("action")
    if action is not None and action not in set(TrailAction):
        raise BadRequestError("There is no such action.")
    if any("\0" in value for value in given.values()):
        raise BadRequestError("A filter holds a character that stands in no entry.")
    since, until = _day(given.get("since")), _day(given.get("until"))
    return TrailFilter(
        actor=given.get("actor"),
        action=action,
        room_sid=given.get("call"),
        since=since,
        until=until + timedelta(days=1) if until else None,
    )


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise BadRequestError("A day looks like 2026-03-01.") from None
