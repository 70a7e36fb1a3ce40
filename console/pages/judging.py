"""A reviewer at a call: to claim it, to keep it, to give it back, and to decide."""

from __future__ import annotations

import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.guard import GuardedRoute, needs
from console.judgement import JudgementForm, note_judgement
from console.navigation import Place
from console.rendering import render
from console.reviews import called, names_of, told
from console.state import console_of
from storage import trail
from storage.queue import Queue
from storage.review_claims import claim_call, release_claim, renew_claim
from storage.reviewing import give_verdict
from storage.trail import TrailAction, TrailEvent

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None


@router.get("/calls/{room_sid}/claim")
def show(
    request: Request, room_sid: str, person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """Who is at the call, and what one can do about it: a part of the call's page."""
    console = console_of(request)
    with console.database.begin(read_only=True) as connection:
        call = Queue(connection, now=console.now(), viewer=person.id).find(room_sid)
        names = names_of(connection)
    return render(
        request, "_claim.html", room_sid=room_sid, call=call, called=lambda who: called(names, who)
    )


@router.post("/calls/{room_sid}/claim")
def claim(request: Request, room_sid: str, person: Person = needs(Permission.REVIEW)) -> Response:
    """Take the call."""
    console = console_of(request)
    with told(), console.database.begin() as connection:
        claim_call(
            connection, room_sid, person.id, now=console.now(),
            lease_s=console.options.claim_time.total_seconds(),
        )  # fmt: skip
        trail.append(
            connection,
            TrailEvent(
                actor=person.id, action=TrailAction.CLAIM, room_sid=room_sid,
                detail={"how": "by_hand"},
            ),
        )  # fmt: skip
    return _answer(request, room_sid, person)


@router.post("/calls/{room_sid}/renew")
def renew(request: Request, room_sid: str, person: Person = needs(Permission.REVIEW)) -> Response:
    """Keep the call for longer: the page says so while somebody is at it."""
    console = console_of(request)
    with told(), console.database.begin() as connection:
        renew_claim(
            connection, room_sid, person.id, now=console.now(),
            lease_s=console.options.claim_time.total_seconds(),
        )  # fmt: skip
    return _answer(request, room_sid, person)


@router.post("/calls/{room_sid}/release")
def release(request: Request, room_sid: str, person: Person = needs(Permission.REVIEW)) -> Response:
    """Give the call back."""
    console = console_of(request)
    with told(), console.database.begin() as connection:
        if release_claim(connection, room_sid, person.id, now=console.now()):
            trail.append(
                connection,
                TrailEvent(actor=person.id, action=TrailAction.RELEASE, room_sid=room_sid),
            )
    return _answer(request, room_sid, person)


@router.post("/calls/{room_sid}/verdicts")
def decide(
    request: Request,
    room_sid: str,
    judgement: JudgementForm,
    person: Person = needs(Permission.REVIEW),
) -> Response:
    """Judge a flag of a call that the person has claimed."""
    console = console_of(request)
    with told(), console.database.begin() as connection:
        outcome = give_verdict(
            connection,
            room_sid,
            judgement.subject,
            decision=judgement.decision,
            note=judgement.note,
            reviewer=person.id,
            form_id=judgement.form_id,
            double_share=console.options.double_review_share,
            drawn=secrets.randbelow(2**32) / 2**32,
            now=console.now(),
        )
        note_judgement(
            connection, TrailAction.VERDICT, judgement, outcome, actor=person.id, room_sid=room_sid
        )
    return _answer(request, room_sid, person, done=outcome.is_call_done)


def _answer(
    request: Request, room_sid: str, person: Person, *, done: bool | None = None
) -> Response:
    if "hx-request" in request.headers:
        part = show(request, room_sid, person)
        part.headers["hx-trigger"] = "claim-changed"
        return part
    if request.headers.get("sec-fetch-mode", "navigate") == "navigate":
        return RedirectResponse(f"/calls/{room_sid}", status_code=303)
    # A script asked, and stays where it is.
    headers = {} if done is None else {"x-earmark-call-done": "yes" if done else "no"}
    return Response(status_code=204, headers=headers)
