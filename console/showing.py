"""Notes in the trail what is about to be shown, before it is."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from console.access import Person
from console.state import console_of
from storage import trail
from storage.trail import TrailAction, TrailEvent

Detail = Mapping[str, str | int | float | bool | None]


def note_shown(
    request: Request,
    action: TrailAction,
    *,
    room_sid: str | None = None,
    subject: str | None = None,
    detail: Detail | None = None,
) -> None:
    """Write into the trail that the person who asks is shown something.

    Args:
        request: Of a route that asked for a permission, so that somebody is signed in.
        action: What is done with it.
        room_sid: The call.
        subject: Id of what is shown, where it is not the whole call.
        detail: Ids, spans, counts, reasons; nothing that was said.

    Raises:
        StorageError: it cannot be written; then nothing may be shown.
    """
    person: Person = request.state.person
    console = console_of(request)
    with console.database.begin() as connection:
        trail.append(
            connection,
            TrailEvent(
                actor=person.id,
                action=action,
                room_sid=room_sid,
                subject=subject,
                detail=detail or {},
            ),
        )
    request.state.noted = True
