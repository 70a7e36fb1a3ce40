"""Records to the supervisors in the room, and to agents that proved that they may have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from livekit import rtc

from realtime.envelope import seal
from realtime.forwarders.forwarder import QueuedForwarder
from realtime.record_buffer import RecordBuffer
from realtime.records import TOPIC, Record
from realtime.supervisors import ConnectedRoom

_MAX_WAITING = 4000  # two late listeners get the whole buffer, and the call goes on meanwhile
_MAX_AGENTS = 8
# An agent that has not asked again for so long has gone; it asks every few seconds.
AGENT_GONE_AFTER_S = 90.0


@dataclass(frozen=True, slots=True)
class _Addressed:
    """A record and who was there when it was made."""

    record: Record
    supervisors: tuple[str, ...] = field(repr=False)
    agents: tuple[str, ...] = field(repr=False)


class SupervisorForwarder(QueuedForwarder[_Addressed]):
    """Sends records as signed data messages, to named receivers and to nobody else.

    Args:
        room: The observer's room.
        room_sid: The call.
        secret: Signs the messages; None sends them unsigned.
        buffer: What late receivers get.
        unmasked: Whether supervisors get words as they were said; agents never do.
    """

    def __init__(
        self,
        room: ConnectedRoom,
        *,
        room_sid: str,
        secret: str | None,
        buffer: RecordBuffer,
        unmasked: bool,
    ) -> None:
        super().__init__(
            name="supervisors", room_sid=room_sid, max_batch=50, max_waiting=_MAX_WAITING
        )
        self._room = room
        self._secret = secret
        self._buffer = buffer
        self._unmasked = unmasked
        self._supervisors: set[str] = set()
        self._agents: dict[str, float] = {}  # identity: call clock of its last request

    def joined(self, identity: str) -> None:
        """A supervisor came: they get what is kept."""
        if identity not in self._supervisors:
            self._supervisors.add(identity)
            self._catch_up(supervisors=(identity,))

    def left(self, identity: str) -> None:
        """A supervisor went, or is one no more."""
        self._supervisors.discard(identity)

    def asked(self, identity: str, now_s: float) -> None:
        """An agent proved that it may have records; it gets what is kept, and what comes."""
        is_new = identity not in self._agents
        if is_new and len(self._agents) >= _MAX_AGENTS:
            return
        self._agents[identity] = now_s
        if is_new:
            self._catch_up(agents=(identity,))

    def forget_silent(self, now_s: float) -> None:
        """Send no more to agents that have gone."""
        for identity, asked_s in tuple(self._agents.items()):
            if now_s - asked_s > AGENT_GONE_AFTER_S:
                del self._agents[identity]

    def put(self, record: Record) -> None:
        """Take one record for everybody who is there."""
        if self._supervisors or self._agents:
            self.enqueue(_Addressed(record, tuple(sorted(self._supervisors)), tuple(self._agents)))

    async def deliver(self, items: Sequence[_Addressed]) -> bool:
        """Send each to its receivers."""
        n_failed = 0
        for item in items:
            together = not self._unmasked or item.record.plain is None
            if together:
                n_failed += not await self._send(item.record, item.supervisors + item.agents)
            else:
                n_failed += not await self._send(item.record, item.agents)
                n_failed += not await self._send(item.record, item.supervisors, unmasked=True)
        return n_failed == 0

    def _catch_up(self, *, supervisors: tuple[str, ...] = (), agents: tuple[str, ...] = ()) -> None:
        for record in self._buffer.newest():
            self.enqueue(_Addressed(record, supervisors, agents))

    async def _send(
        self, record: Record, identities: tuple[str, ...], *, unmasked: bool = False
    ) -> bool:
        if not identities:
            # An empty list of destinations would reach everybody, the monitored caller included.
            return True
        try:
            await self._room.local_participant.publish_data(
                seal(record.id, record.payload(unmasked=unmasked), self._secret),
                reliable=True,
                destination_identities=list(identities),
                topic=TOPIC,
            )
        except (rtc.participant.PublishDataError, RuntimeError):
            return False
        return True
