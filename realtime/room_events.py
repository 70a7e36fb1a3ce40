"""What happens in a room beside speech: who comes and goes, mutes, presses keys, or is cut off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.rtc.room import EventTypes

from realtime.clock import Clock
from realtime.record_flow import RecordFlow
from realtime.records import RecordType
from realtime.roster import Person, is_ours

_CALL_STATUS = "sip.callStatus"
_KNOWN_STATUSES = frozenset({"active", "automation", "dialing", "hangup", "ringing"})
# Keys that are pressed one after the other, with pauses shorter than this, are one entry.
_SAME_ENTRY_S = 3.0
_MAX_KEYS = 200
_MAX_ENTRIES = 100
_MAX_SEEN = 2000
_QUALITIES: Mapping[int, str] = {
    rtc.ConnectionQuality.QUALITY_POOR: "poor",
    rtc.ConnectionQuality.QUALITY_GOOD: "good",
    rtc.ConnectionQuality.QUALITY_EXCELLENT: "excellent",
    rtc.ConnectionQuality.QUALITY_LOST: "lost",
}


@dataclass(slots=True)
class _Entry:
    """Keys that somebody presses: how many, and never which."""

    n_keys: int
    began_s: float
    last_s: float


class RoomEvents:
    """Makes records of a room's events.

    Args:
        flow: Where records go.
        clock: The call clock.
    """

    def __init__(self, flow: RecordFlow, *, clock: Clock) -> None:
        self._flow = flow
        self._clock = clock
        self._seen: dict[str, Person] = {}  # by session id
        self._entries: dict[str, _Entry] = {}  # by identity
        self._statuses: dict[str, str] = {}  # by session id
        self.handlers: Mapping[EventTypes, Callable[..., None]] = {
            "track_muted": self._on_muted,
            "track_unmuted": self._on_unmuted,
            "sip_dtmf_received": self._on_key,
            "connection_quality_changed": self._on_connection_quality,
        }

    def welcome(self, person: Person, attributes: Mapping[str, str]) -> None:
        """Somebody is there, or something about them changed."""
        known = self._seen.pop(person.sid, None)
        if len(self._seen) >= _MAX_SEEN:
            self._seen.pop(next(iter(self._seen)))
        self._seen[person.sid] = person
        if known is None:
            self._flow.note(RecordType.JOIN, "joined", identity=person.identity)
        elif known.role is not person.role:
            role = person.role.value if person.role else "unknown"
            self._flow.note(RecordType.ROLE, f"is {role} now", identity=person.identity)
        self._note_status(person, attributes)

    def gone(self, identity: str, sid: str) -> None:
        """Somebody left."""
        self._end_entry(identity)
        if self._seen.pop(sid, None) is not None:
            self._statuses.pop(sid, None)
            self._flow.note(RecordType.LEAVE, "left", identity=identity)

    def tick(self, now_s: float) -> None:
        """Let time go by: entries of keys come to their end."""
        for identity, entry in tuple(self._entries.items()):
            if now_s - entry.last_s > _SAME_ENTRY_S:
                self._end_entry(identity)

    def finish(self) -> None:
        """The call is over."""
        for identity in tuple(self._entries):
            self._end_entry(identity)

    def _note_status(self, person: Person, attributes: Mapping[str, str]) -> None:
        status = attributes.get(_CALL_STATUS)
        if status is None or self._statuses.get(person.sid) == status:
            return
        self._statuses[person.sid] = status
        # Only words that LiveKit has for it: anybody can set an attribute to anything.
        content = status if status in _KNOWN_STATUSES else "other"
        self._flow.note(RecordType.SIP_STATUS, content, identity=person.identity)

    def _on_muted(self, participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._mute(RecordType.MUTE, "muted", participant, publication)

    def _on_unmuted(self, participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._mute(RecordType.UNMUTE, "unmuted", participant, publication)

    def _mute(
        self,
        type_: RecordType,
        content: str,
        participant: rtc.Participant,
        publication: rtc.TrackPublication,
    ) -> None:
        if publication.kind == rtc.TrackKind.KIND_AUDIO and _is_of_the_call(participant):
            self._flow.note(
                type_, content, identity=participant.identity, track_sid=publication.sid
            )

    def _on_key(self, dtmf: rtc.SipDTMF) -> None:
        # The key itself is read nowhere: several in a row can be a card number.
        if dtmf.participant is None:
            return
        identity, now_s = dtmf.participant.identity, self._clock.now_s()
        entry = self._entries.get(identity)
        if entry is None:
            if len(self._entries) >= _MAX_ENTRIES:
                self._end_entry(next(iter(self._entries)))
            entry = self._entries[identity] = _Entry(n_keys=0, began_s=now_s, last_s=now_s)
        entry.n_keys += 1
        entry.last_s = now_s
        if entry.n_keys >= _MAX_KEYS:
            self._end_entry(identity)

    def _end_entry(self, identity: str) -> None:
        entry = self._entries.pop(identity, None)
        if entry is not None:
            keys = "1 digit" if entry.n_keys == 1 else f"{entry.n_keys} digits"
            self._flow.note(
                RecordType.DTMF,
                f"{keys} entered",
                identity=identity,
                at_s=entry.last_s,
                n_digits=entry.n_keys,
                start_s=round(entry.began_s, 3),
                end_s=round(entry.last_s, 3),
            )

    def _on_connection_quality(self, participant: rtc.Participant | None, quality: int) -> None:
        if participant is not None and _is_of_the_call(participant):
            self._flow.note(
                RecordType.CONNECTION_QUALITY,
                _QUALITIES.get(quality, "unknown"),
                identity=participant.identity,
            )


def _is_of_the_call(participant: Any) -> bool:
    """Not the observer itself, nor another agent of ours."""
    return isinstance(participant, rtc.RemoteParticipant) and not is_ours(participant)
