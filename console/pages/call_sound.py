"""The sound of a call: masked for whoever may see the call, unmasked for whoever was let in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.access import Permission, Person
from console.call_access import call_of, digests_of, grants_of, outlines_of
from console.call_sound import Hearing, Sound, content_type_of, seconds_of, sound_for
from console.calls import CallView
from console.errors import ConflictError, NotAllowedError, NotThereError
from console.guard import GuardedRoute, needs
from console.lanes import Strip, as_text, on_call_clock, report_strips
from console.navigation import Place
from console.sending import NotSatisfiable, let_go, range_of, refuse_range, send
from console.showing import note_shown
from console.state import console_of
from storage.errors import ObjectChangedError, ObjectMissingError
from storage.objects import ObjectInfo
from storage.trail import TrailAction

router = APIRouter(route_class=GuardedRoute)
PLACE: Place | None = None

_REPLACED = "This recording was replaced just now. Load the page again."


@router.get("/calls/{room_sid}/lanes/{number}")
def lane(
    request: Request, room_sid: str, number: int, person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """The outline of a lane on the call clock: levels and no sound."""
    view = call_of(request, room_sid)
    if not 0 <= number < len(view.lanes):
        raise NotThereError("There is no such lane.")
    wanted = view.lanes[number]
    strips = report_strips(view.report, wanted) if view.report is not None else ()
    notes: list[str] = []
    if not strips:
        drawn = []
        for sound in view.sounds:
            info = sound.original or sound.masked
            if sound.id not in wanted.sounds or info is None:
                continue
            found = outlines_of(request).of(info)
            if found.strip is not None:
                drawn.append(_moved(found.strip, sound))
            if found.note is not None:
                notes.append(found.note)
        strips = tuple(drawn)
    levels = on_call_clock(strips, view.duration_s)
    return JSONResponse({"levels": as_text(levels) if strips else "", "notes": notes})


@router.get("/calls/{room_sid}/sound/{sound_id}", openapi_extra={"shows": "audio"})
def play(
    request: Request, room_sid: str, sound_id: str, person: Person = needs(Permission.VIEW_CALLS)
) -> Response:
    """Masked sound, or the range of it that the browser asks for."""
    view, sound = _sound(request, room_sid, sound_id)
    info = _masked(request, sound)
    return _sent(request, view, sound, info, action=TrailAction.PLAY, masked=True)


@router.get("/calls/{room_sid}/sound/{sound_id}/clear", openapi_extra={"shows": "audio"})
def play_clear(
    request: Request, room_sid: str, sound_id: str, person: Person = needs(Permission.UNMASK)
) -> Response:
    """The recording itself, for who gave a reason in the last quarter of an hour."""
    view, sound = _sound(request, room_sid, sound_id)
    original = _original(request, person, view, sound)
    return _sent(request, view, sound, original, action=TrailAction.PLAY, masked=False)


@router.get("/calls/{room_sid}/sound/{sound_id}/download", openapi_extra={"shows": "download"})
def download(
    request: Request, room_sid: str, sound_id: str, person: Person = needs(Permission.EXPORT)
) -> Response:
    """Masked sound as a file."""
    view, sound = _sound(request, room_sid, sound_id)
    info = _masked(request, sound)
    return _sent(request, view, sound, info, action=TrailAction.DOWNLOAD, masked=True)


@router.get(
    "/calls/{room_sid}/sound/{sound_id}/clear/download", openapi_extra={"shows": "download"}
)
def download_clear(
    request: Request, room_sid: str, sound_id: str, person: Person = needs(Permission.UNMASK)
) -> Response:
    """The recording itself as a file; for that, somebody needs to be allowed to export, too."""
    view, sound = _sound(request, room_sid, sound_id)
    if not person.may(Permission.EXPORT):
        raise NotAllowedError("Your role does not reach this page.")
    original = _original(request, person, view, sound)
    return _sent(request, view, sound, original, action=TrailAction.DOWNLOAD, masked=False)


def _sound(request: Request, room_sid: str, sound_id: str) -> tuple[CallView, Sound]:
    view = call_of(request, room_sid)
    sound = sound_for(view.sounds, sound_id)
    if sound is None or not sound.is_there:
        raise NotThereError("There is no such sound of this call.")
    return view, sound


def _masked(request: Request, sound: Sound) -> ObjectInfo:
    """What may be sent to everybody with the page.

    A recording without a copy is sent as the audit heard it, byte for byte, or not at all.
    """
    if sound.masked is None:
        raise NotAllowedError(f"This cannot be heard masked. {sound.why}")
    if sound.hearing is Hearing.WHOLE:
        try:
            digest = digests_of(request).of(sound.masked)
        except (ObjectMissingError, ObjectChangedError):
            raise ConflictError(_REPLACED) from None
        if digest != sound.sha256:
            raise NotAllowedError(
                "This cannot be heard masked. It is not the recording that the audit heard."
            )
    return sound.masked


def _original(request: Request, person: Person, view: CallView, sound: Sound) -> ObjectInfo:
    if grants_of(request, person, view.room_sid).audio is None:
        raise NotAllowedError("This call is masked. Unmask it and give the reason.")
    if sound.original is None:
        raise NotThereError(sound.note or "The recording is gone.")
    return sound.original


def _sent(
    request: Request,
    view: CallView,
    sound: Sound,
    info: ObjectInfo,
    *,
    action: TrailAction,
    masked: bool,
) -> Response:
    """Write into the trail what is about to leave, then let it leave."""
    try:
        wanted = range_of(request.headers, info)
    except NotSatisfiable:
        return refuse_range(info)
    start, end = (wanted.start_bytes, wanted.end_bytes) if wanted else (0, info.size_bytes)
    start_s, end_s = seconds_of(sound, info, start, end)
    file_name = None
    if action is TrailAction.DOWNLOAD:
        kind = "masked" if masked else "clear"
        file_name = f"{view.room_sid}-{sound.id[:8]}-{kind}.{info.key.rsplit('.', 1)[-1][:5]}"
    try:
        response = send(
            console_of(request).objects,
            info,
            wanted,
            content_type=content_type_of(info.key),
            file_name=file_name,
        )
    except (ObjectMissingError, ObjectChangedError):
        raise ConflictError(_REPLACED) from None
    try:
        note_shown(
            request,
            action,
            room_sid=view.room_sid,
            subject=sound.id,
            detail={
                "masked": masked,
                "start_bytes": start,
                "end_bytes": end,
                "start_s": start_s,
                "end_s": end_s,
            },
        )
    except BaseException:
        let_go(response)
        raise
    return response


def _moved(strip: Strip, sound: Sound) -> Strip:
    """From the clock of a file to that of the call."""
    return Strip(start_s=strip.start_s + sound.start_s, step_s=strip.step_s, levels=strip.levels)
