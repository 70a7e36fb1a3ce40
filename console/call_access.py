"""The call that a request is about, and what of it the person sees and hears unmasked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from console.access import Permission, Person
from console.calls import CallView, load_call
from console.digests import Digests
from console.errors import NotThereError
from console.guard import session_token
from console.outlines import Outlines
from console.rule_texts import RuleTexts, published_texts, rule_texts
from console.state import console_of
from storage.console_sessions import hash_of
from storage.unmaskings import Unmasked, granted_until

# What LiveKit and the audit make; nothing that could be part of a path or of another address.
_ROOM_SID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@=-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """Until when somebody sees and hears a call unmasked; None = masked."""

    text: datetime | None
    audio: datetime | None

    @property
    def any(self) -> bool:
        """Whether anything is laid open."""
        return self.text is not None or self.audio is not None


def session_hash(request: Request) -> str:
    """The session that asks, as the database knows it."""
    return hash_of(session_token(request) or "")


def rules_of(request: Request) -> RuleTexts:
    """The rules in force, in words."""
    console = console_of(request)
    published = published_texts(console.database) if console.uses_published_rules else None
    return published or rule_texts(console.rule_files)


def outlines_of(request: Request) -> Outlines:
    """Outlines that this console drew."""
    state = request.app.state
    if getattr(state, "outlines", None) is None:
        state.outlines = Outlines(console_of(request).objects)
    found: Outlines = state.outlines
    return found


def digests_of(request: Request) -> Digests:
    """Hashes that this console took."""
    state = request.app.state
    if getattr(state, "digests", None) is None:
        state.digests = Digests(console_of(request).objects)
    found: Digests = state.digests
    return found


def call_of(request: Request, room_sid: str) -> CallView:
    """A call, as everybody with the page may see it.

    Raises:
        NotThereError: there is no such call.
        StorageError: the storage cannot be reached.
    """
    if not _ROOM_SID.fullmatch(room_sid):
        raise NotThereError("There is no such call.")
    console = console_of(request)
    view = load_call(console.database, console.objects, room_sid, titles=rules_of(request).titles)
    if view is None:
        raise NotThereError("There is no such call.")
    return view


def grants_of(request: Request, person: Person, room_sid: str) -> Grants:
    """What is laid open to this session. A role that was lost lays nothing open."""
    if not person.may(Permission.UNMASK):
        return Grants(text=None, audio=None)
    console = console_of(request)
    now, own = console.now(), session_hash(request)
    with console.database.begin(read_only=True) as connection:
        text, audio = (
            granted_until(connection, session_hash=own, room_sid=room_sid, what=what, now=now)
            for what in (Unmasked.TEXT, Unmasked.AUDIO)
        )
    return Grants(text=text, audio=audio)
