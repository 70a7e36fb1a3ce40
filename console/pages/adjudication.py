"""Settling what reviewers disagree on, or passed on: verdicts side by side, without names."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.errors import NotThereError
from console.guard import GuardedRoute, needs
from console.judgement import JudgementForm, note_judgement
from console.navigation import Place
from console.rendering import render
from console.reviews import told, waited
from console.showing import note_shown
from console.state import console_of
from rules.backtest import Decision
from storage.queue import Queue
from storage.queue_filter import Cursor, QueueFilter, Shown, Sort
from storage.queue_summary import Status
from storage.reviewing import Judged, adjudicate, seen_by
from storage.trail import TrailAction
from storage.verdicts import Verdict, VerdictDecision

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = Place(
    title="Adjudication", path="/adjudication", permission=Permission.ADJUDICATE, order=20
)
_TO_SETTLE = frozenset({Decision.DISPUTED, Decision.ESCALATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one reviewer said last, under a letter."""

    letter: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A flag to settle, or one that is settled."""

    judged: Judged
    opinions: tuple[Opinion, ...]
    final: Verdict | None
    is_own: bool  # the person is one of those who disagree
    form_id: str

    @property
    def is_open(self) -> bool:
        """Whether somebody has to decide."""
        return self.judged.decision in _TO_SETTLE


@router.get("/adjudication")
def show(
    request: Request, after: str = "", person: Person = needs(Permission.ADJUDICATE)
) -> Response:
    """Calls that wait for a lead."""
    console = console_of(request)
    now = console.now()
    with told():
        cursor = Cursor.from_text(after) if after else None
    with console.database.begin(read_only=True) as connection:
        queue = Queue(connection, now=now, viewer=person.id)
        disputed = queue.page(
            QueueFilter(status=Shown.ADJUDICATION), sort=Sort.SEVERITY, after=cursor
        )
        escalated = queue.page(QueueFilter(status=Shown.ESCALATED), sort=Sort.SEVERITY)
    return render(
        request, "adjudication.html", disputed=disputed, escalated=escalated,
        waited=lambda at: waited(at, now),
    )  # fmt: skip


@router.get("/adjudication/{room_sid}", openapi_extra={"shows": "text"})
def show_call(
    request: Request, room_sid: str, person: Person = needs(Permission.ADJUDICATE)
) -> Response:
    """The flags of a call with what reviewers said of them."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        call = Queue(connection, now=console.now(), viewer=person.id).find(room_sid)
        judged = seen_by(connection, room_sid, person.id, may_adjudicate=True)
    if call is None or call.status is Status.OPEN:
        raise NotThereError("There is nothing to settle on this call.")
    note_shown(
        request, TrailAction.VIEW, room_sid=room_sid,
        detail={"masked": True, "page": "adjudication", "flags": len(judged)},
    )  # fmt: skip
    return render(
        request, "adjudicate.html", call=call,
        cases=[_case(room_sid, each, person) for each in judged],
        decisions=tuple(VerdictDecision),
    )  # fmt: skip


@router.post("/adjudication/{room_sid}")
def settle(
    request: Request,
    room_sid: str,
    judgement: JudgementForm,
    person: Person = needs(Permission.ADJUDICATE),
) -> Response:
    """Decide, for good."""
    console = console_of(request)
    with told(), console.database.begin() as connection:
        outcome = adjudicate(
            connection,
            room_sid,
            judgement.subject,
            decision=judgement.decision,
            note=judgement.note,
            lead=person.id,
            form_id=judgement.form_id,
            now=console.now(),
        )
        note_judgement(
            connection,
            TrailAction.ADJUDICATE,
            judgement,
            outcome,
            actor=person.id,
            room_sid=room_sid,
        )
    return RedirectResponse(f"/adjudication/{room_sid}", status_code=303)


def _case(room_sid: str, judged: Judged, person: Person) -> Case:
    last = {v.reviewer: v for v in judged.verdicts if not v.is_final}
    # Who is A and who is B is the same for whoever looks, and says nothing of who was first.
    order = sorted(last, key=lambda who: hashlib.sha256(f"{room_sid}\0{who}".encode()).hexdigest())
    finals = [v for v in judged.verdicts if v.is_final]
    return Case(
        judged=judged,
        opinions=tuple(
            Opinion(letter=chr(ord("A") + number), verdict=last[who])
            for number, who in enumerate(order[:26])
        ),
        final=finals[-1] if finals else None,
        is_own=judged.decision is Decision.DISPUTED and person.id in last,
        form_id=uuid.uuid4().hex,
    )
