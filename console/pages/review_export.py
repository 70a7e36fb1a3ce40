"""The queue and its verdicts as files, for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from console.access import Permission, Person
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.reviews import QueueView, view_of
from console.showing import note_shown
from console.state import Console, console_of
from storage.csv_text import csv_lines
from storage.database import Database
from storage.queue import Queue, QueuedCall
from storage.reviewing import seen_by
from storage.trail import TrailAction

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None

_PAGE_CALLS = 500
_QUEUE = (
    "room_sid", "status", "severity", "began_at", "waiting_since", "duration_s", "about",
    "live_and_audit_differ", "worst_rule_id", "n_flags", "n_live", "n_audit", "n_rules",
    "claimed_by", "assignee",
)  # fmt: skip
_VERDICTS = (
    "room_sid", "verdict_id", "on", "subject_id", "rule_id", "rule_version", "start_s", "end_s",
    "decision", "is_final", "reviewer", "decided_at", "note",
)  # fmt: skip


class Format(StrEnum):
    """Of a file."""

    CSV = "csv"
    JSONL = "jsonl"


@router.get("/export/queue.{format}", openapi_extra={"shows": "export"})
def export_queue(
    request: Request, format: Format, person: Person = needs(Permission.EXPORT)
) -> Response:
    """The calls of a view of the queue, all pages of it."""
    console = console_of(request)
    view = view_of(request.query_params)
    return _sent(request, "queue", format, _QUEUE, _queue_rows(console, view, person), view)


@router.get("/export/verdicts.{format}", openapi_extra={"shows": "export"})
def export_verdicts(
    request: Request, format: Format, person: Person = needs(Permission.EXPORT)
) -> Response:
    """Verdicts on the calls of a view, as far as the person may see them."""
    console = console_of(request)
    view = view_of(request.query_params)
    rows = _verdict_rows(console, view, person)
    return _sent(request, "verdicts", format, _VERDICTS, rows, view)


def _sent(
    request: Request,
    what: str,
    format: Format,
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    view: QueueView,
) -> Response:
    # Noted before the first byte leaves, and with what was asked for.
    note_shown(
        request, TrailAction.EXPORT, subject=f"{what}.{format.value}",
        detail={"what": what, "filter": "&".join(f"{k}={v}" for k, v in view.query.items())[:500]},
    )  # fmt: skip
    lines = _csv(names, rows) if format is Format.CSV else _jsonl(names, rows)
    kind = "text/csv" if format is Format.CSV else "application/jsonl"
    return StreamingResponse(
        (line.encode() for line in lines),
        media_type=f"{kind}; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="earmark-{what}.{format.value}"'},
    )


def _csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield "\ufeff"  # or Excel takes it for another character set
    yield from csv_lines(names, rows)


def _jsonl(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    for row in rows:
        values = (each.isoformat() if isinstance(each, datetime) else each for each in row)
        yield json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False) + "\n"


def _calls(
    database: Database, view: QueueView, person: Person, now: datetime
) -> Iterator[tuple[QueuedCall, ...]]:
    """Page by page, each in a transaction of its own: nobody waits for a long export."""
    after = None
    while True:
        with database.begin(read_only=True) as connection:
            queue = Queue(connection, now=now, viewer=person.id)
            page = queue.page(view.which, sort=view.sort, after=after, n_calls=_PAGE_CALLS)
        yield page.calls
        after = page.next
        if after is None:
            return


def _queue_rows(console: Console, view: QueueView, person: Person) -> Iterator[tuple[object, ...]]:
    for calls in _calls(console.database, view, person, console.now()):
        for call in calls:
            yield (
                call.room_sid, call.shown.value, call.severity.value, call.began_at,
                call.waiting_since, call.duration_s,
                " ".join(each.value for each in call.flagged), call.disagrees, call.worst_rule_id,
                call.n_flags, call.n_live, call.n_audit, call.n_rules, call.claimed_by,
                call.assignee,
            )  # fmt: skip


def _verdict_rows(
    console: Console, view: QueueView, person: Person
) -> Iterator[tuple[object, ...]]:
    may_adjudicate = person.may(Permission.ADJUDICATE)
    for calls in _calls(console.database, view, person, console.now()):
        with console.database.begin(read_only=True) as connection:
            for call in calls:
                judged = seen_by(
                    connection, call.room_sid, person.id, may_adjudicate=may_adjudicate
                )
                for verdict in (v for each in judged for v in each.verdicts):
                    yield (
                        call.room_sid, verdict.id, verdict.subject.value, verdict.subject_id,
                        verdict.rule_id, verdict.rule_version, verdict.span.start_s,
                        verdict.span.end_s, verdict.decision.value, verdict.is_final,
                        verdict.reviewer, verdict.decided_at, verdict.note,
                    )  # fmt: skip
