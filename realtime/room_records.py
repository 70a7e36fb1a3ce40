"""Everything about a room's records in one place: events, texts, receivers, and their flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from livekit import rtc
from livekit.rtc.room import EventTypes

from realtime.clock import Clock
from realtime.forwarders.supervisors import SupervisorForwarder
from realtime.record_flow import RecordFlow
from realtime.records import RecordType
from realtime.room_events import RoomEvents
from realtime.room_texts import Hold, RoomTexts
from realtime.roster import Person
from realtime.session import CallSession
from realtime.subscription import REQUEST_TOPIC, subscriber_in
from realtime.text_intake import Precedence, TextIntake
from rules.types import Role, Utterance
from speech.quality import Quality
from storage.gaps import Gap


class RoomRecords:
    """What the observer of a room does beside listening.

    Args:
        room: Not yet connected.
        room_sid: The call.
        clock: The call clock.
        flow: Takes records of everything that happens.
        receivers: Sends records to whoever may have them in this room.
        precedence: Whose words count where an agent's voice comes with its text.
        secret: Proves who may ask for records.
    """

    def __init__(
        self,
        *,
        room: rtc.Room,
        room_sid: str,
        clock: Clock,
        flow: RecordFlow,
        receivers: SupervisorForwarder,
        precedence: Precedence,
        secret: str | None,
    ) -> None:
        self.flow = flow
        self._room = room
        self._room_sid = room_sid
        self._clock = clock
        self._receivers = receivers
        self._precedence = precedence
        self._secret = secret
        self._events = RoomEvents(flow, clock=clock)
        self._intake: TextIntake | None = None
        self._texts: RoomTexts | None = None
        self.handlers: Mapping[EventTypes, Callable[..., None]] = {
            **self._events.handlers,
            "data_received": self._on_data,
        }

    def start(
        self, session: CallSession, *, is_heard: Callable[[str, str | None], bool], hold: Hold
    ) -> None:
        """Begin; to be called before the room is joined.

        Args:
            session: Judges texts.
            is_heard: Tells whether our ear hears (identity, track sid or None for any track).
            hold: Starts a task and keeps it.
        """
        self._intake = TextIntake(
            session=session,
            flow=self.flow,
            clock=self._clock,
            is_heard=is_heard,
            precedence=self._precedence,
        )
        self._texts = RoomTexts(
            self._room,
            room_sid=self._room_sid,
            intake=self._intake,
            clock=self._clock,
            hold=hold,
        )
        self._texts.start()
        self.flow.start()

    def stop(self) -> None:
        """Take in nothing more."""
        if self._texts is not None:
            self._texts.stop()
        self._events.finish()

    async def settle(self) -> None:
        """Hand the session what is still open of texts."""
        if self._intake is not None:
            await self._intake.settle_all()

    async def tick(self, now_s: float) -> None:
        """Let time go by."""
        self._events.tick(now_s)
        self._receivers.forget_silent(now_s)
        if self._intake is not None:
            await self._intake.settle_old(now_s)

    def judges(self, utterance: Utterance) -> bool:
        """Whether the rules may have what our ear heard."""
        return self._intake is None or self._intake.judges(utterance)

    def welcome(self, person: Person, attributes: Mapping[str, str], *, is_active: bool) -> None:
        """Somebody is there, or something about them changed.

        Args:
            person: Who.
            attributes: Of the participant.
            is_active: Whether data messages reach them already.
        """
        self._events.welcome(person, attributes)
        if person.role is not Role.SUPERVISOR:
            self._receivers.left(person.identity)
        elif is_active:
            self._receivers.joined(person.identity)

    def gone(self, identity: str, sid: str) -> None:
        """Somebody left."""
        self._receivers.left(identity)
        self._events.gone(identity, sid)

    def quality(self, identity: str, track_id: str, quality: Quality) -> None:
        """How a voice sounded for some seconds."""
        measured: dict[str, Any] = {
            name: getattr(quality, name) for name in Quality.__dataclass_fields__
        }
        self.flow.note(
            RecordType.AUDIO_QUALITY,
            ", ".join(quality.problems) or "good",
            identity=identity,
            track_id=track_id,
            problems=list(quality.problems),
            **measured,
        )

    def gap(self, gap: Gap) -> None:
        """Something was not heard."""
        self.flow.note(
            RecordType.GAP,
            gap.kind.value,
            identity=gap.identity,
            at_s=gap.end_s if gap.end_s is not None else gap.start_s,
            start_s=round(gap.start_s, 3),
            end_s=round(gap.end_s, 3) if gap.end_s is not None else None,
            reason=gap.detail,
        )

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == REQUEST_TOPIC:
            who = subscriber_in(packet.data, room_sid=self._room_sid, secret=self._secret)
            if who is not None:
                self._receivers.asked(who, self._clock.now_s())
