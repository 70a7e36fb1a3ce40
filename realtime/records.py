"""Records: everything that happens on a call, each in one form that leaves the process.

A record names its participant by session id and role, never by identity, which may be a telephone
number. What people said is in it with personal data covered; the words as they were said travel
beside it and go only to supervisors, and only where a setting says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from rules.types import Role

TOPIC = "conversation_analysis"
MAX_CONTENT_CHARS = 4000  # an utterance of some minutes; a data message takes 15 kB


class RecordType(StrEnum):
    """What a record tells of."""

    UTTERANCE = "utterance"  # somebody said or wrote something, and the rules have judged it
    TRANSCRIPTION = "transcription"  # others' text of a voice that we hear ourselves: not judged
    JOIN = "join"
    LEAVE = "leave"
    ROLE = "role"  # somebody became known by another role
    MUTE = "mute"
    UNMUTE = "unmute"
    DTMF = "dtmf"  # keys were pressed: how many, never which
    CONNECTION_QUALITY = "connection_quality"
    SIP_STATUS = "sip_status"
    AUDIO_QUALITY = "audio_quality"
    GAP = "gap"  # something was not heard
    ALERT = "alert"
    ANALYSIS = "analysis"  # what the analyst made of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing that happened on a call."""

    id: str
    room_sid: str
    participant_sid: str | None  # None for what nobody did, or the server
    role: Role | None
    kind: str | None  # LiveKit's: standard, sip, agent, ...
    type: RecordType
    content: str = field(repr=False)  # personal data covered
    at_s: float  # call clock
    recorded_at: datetime  # UTC
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    plain: str | None = field(default=None, repr=False)  # as it was said; None: nothing is covered

    def payload(self, *, unmasked: bool = False) -> dict[str, object]:
        """What is sent.

        Args:
            unmasked: Give the words as they were said.
        """
        is_plain = unmasked and self.plain is not None
        content = self.plain if is_plain and self.plain is not None else self.content
        return {
            "type": self.type.value,
            "record_id": self.id,
            "room_sid": self.room_sid,
            "participant": self.participant_sid,
            "role": self.role.value if self.role else None,
            "kind": self.kind,
            "content": content[:MAX_CONTENT_CHARS],
            "timestamp": self.recorded_at.isoformat(timespec="milliseconds"),
            "at_s": round(self.at_s, 3),
            "metadata": {
                **self.metadata,
                **({"truncated": True} if len(content) > MAX_CONTENT_CHARS else {}),
                **({"masked": not is_plain} if self.plain is not None else {}),
            },
        }


def record_of(payload: Mapping[str, Any]) -> Record | None:
    """A record from what was sent; its signature has been checked.

    Returns:
        The record, or None where the message has another form.
    """
    try:
        role = payload["role"]
        return Record(
            id=str(payload["record_id"]),
            room_sid=str(payload["room_sid"]),
            participant_sid=_text_or_none(payload["participant"]),
            role=Role(role) if role is not None else None,
            kind=_text_or_none(payload["kind"]),
            type=RecordType(payload["type"]),
            content=str(payload["content"])[:MAX_CONTENT_CHARS],
            at_s=float(payload["at_s"]),
            recorded_at=datetime.fromisoformat(str(payload["timestamp"])),
            metadata=MappingProxyType(dict(payload["metadata"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
