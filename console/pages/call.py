"""The page of a call: listen, read, see why it was flagged, decide."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.access import Permission, Person
from console.call_access import call_of, grants_of, rules_of, session_hash
from console.call_sound import Hearing
from console.calls import has_transcript, kept_transcript, unmasked
from console.errors import BadRequestError
from console.flags import Flag
from console.guard import GuardedRoute, needs
from console.navigation import Place
from console.rendering import render
from console.reports import ReportState
from console.showing import note_shown
from console.state import console_of
from storage import trail
from storage.trail import TrailAction, TrailEvent
from storage.unmaskings import Unmasked, grant, withdraw
from storage.verdicts import Verdict, VerdictSubject, verdicts_of

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None

MIN_REASON_CHARS = 10
MAX_REASON_CHARS = 200
_REPORT_STATES = {
    ReportState.NOT_AUDITED: (
        "Not audited yet. What stands here was raised live, and is provisional."
    ),
    ReportState.GONE: "The report of the audit is gone. Its findings are left, without transcript.",
    ReportState.UNREADABLE: (
        "The report of the audit cannot be read. Its findings are left, without transcript."
    ),
}


@router.get("/calls/{room_sid}", openapi_extra={"shows": "text"})
def show(
    request: Request, room_sid: str, person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """Show a call."""
    view = call_of(request, room_sid)
    console = console_of(request)
    grants = grants_of(request, person, room_sid)
    transcript = kept_transcript(console.objects, view) if grants.text else None
    text = unmasked(view, transcript) if transcript is not None else view.text
    note_shown(
        request,
        TrailAction.VIEW,
        room_sid=room_sid,
        detail={"masked": not text.is_unmasked, "lines": len(text.lines), "flags": len(view.flags)},
    )
    with console.database.begin(read_only=True) as connection:
        verdicts = verdicts_of(connection, room_sid)
    rules = rules_of(request)
    return render(
        request,
        "call.html",
        call=view,
        text=text,
        grants=grants,
        is_kept=text.is_unmasked or has_transcript(console.objects, view),
        report_sentence=_REPORT_STATES.get(view.report_state),
        why={flag.number: rules.why(flag) for flag in view.flags},
        own={flag.number: own_verdict(flag, verdicts, person) for flag in view.flags},
        settled={flag.number: settled(flag, verdicts) for flag in view.flags},
        form_ids={flag.number: uuid.uuid4().hex for flag in view.flags},
        closed=[sound for sound in view.sounds if sound.hearing is Hearing.CLOSED],
        min_reason=MIN_REASON_CHARS,
        max_reason=MAX_REASON_CHARS,
    )


@router.post("/calls/{room_sid}/unmask")
def unmask(
    request: Request,
    room_sid: str,
    reason: str = Form(max_length=1000),
    text: bool = Form(default=False),
    audio: bool = Form(default=False),
    person: Person = needs(Permission.UNMASK),
) -> Response:
    """Lay text or sound open to this session for a while, and write down who, what and why."""
    view = call_of(request, room_sid)
    reason = " ".join(reason.split())
    if not MIN_REASON_CHARS <= len(reason) <= MAX_REASON_CHARS or not reason.isprintable():
        raise BadRequestError(
            f"Give the reason in {MIN_REASON_CHARS} to {MAX_REASON_CHARS} characters."
        )
    what = [Unmasked.TEXT] * text + [Unmasked.AUDIO] * audio
    if not what:
        raise BadRequestError("Say what to unmask: text, sound, or both.")
    console = console_of(request)
    actions = {Unmasked.TEXT: TrailAction.UNMASK_TEXT, Unmasked.AUDIO: TrailAction.UNMASK_AUDIO}
    with console.database.begin() as connection:
        for each in what:
            until = grant(
                connection,
                session_hash=session_hash(request),
                room_sid=view.room_sid,
                what=each,
                now=console.now(),
            )
            trail.append(
                connection,
                TrailEvent(
                    actor=person.id,
                    action=actions[each],
                    room_sid=view.room_sid,
                    subject=None,
                    detail={"reason": reason, "until": until.isoformat(timespec="seconds")},
                ),
            )
    return RedirectResponse(f"/calls/{view.room_sid}", status_code=303)


@router.post("/calls/{room_sid}/cover")
def cover(request: Request, room_sid: str, person: Person = needs(Permission.UNMASK)) -> Response:
    """Cover again what was laid open."""
    view = call_of(request, room_sid)
    with console_of(request).database.begin() as connection:
        withdraw(connection, session_hash=session_hash(request), room_sid=view.room_sid)
    return RedirectResponse(f"/calls/{view.room_sid}", status_code=303)


def own_verdict(flag: Flag, verdicts: tuple[Verdict, ...], person: Person) -> Verdict | None:
    """What this person decided last. What others decided is not shown: they judge by themselves."""
    own = [each for each in verdicts if each.reviewer == person.id and is_about(each, flag)]
    return own[-1] if own else None


def settled(flag: Flag, verdicts: tuple[Verdict, ...]) -> Verdict | None:
    """The decision that settled what reviewers disagreed on."""
    final = [each for each in verdicts if each.is_final and is_about(each, flag)]
    return final[-1] if final else None


def is_about(verdict: Verdict, flag: Flag) -> bool:
    """Whether a verdict is about a flag. An audit that is made again gives new ids."""
    if verdict.rule_id != flag.rule_id:
        return False
    if verdict.subject_id == flag.subject_id and verdict.subject is VerdictSubject(flag.subject):
        return True
    return abs(verdict.span.start_s - flag.start_s) <= 0.5 and abs(
        verdict.span.end_s - flag.end_s
    ) <= 0.5  # fmt: skip
