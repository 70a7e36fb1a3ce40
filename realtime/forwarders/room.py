"""Records to the supervisors in another room, such as a team's wallboard, by the server API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

import aiohttp
from livekit import api

from realtime.envelope import seal
from realtime.forwarders.forwarder import QueuedForwarder
from realtime.records import TOPIC, Record
from realtime.roster import RolePattern, kind_name, role_of
from rules.types import Role

_TIMEOUT_S = 5.0
_LISTED_FOR_S = 5.0


class RoomForwarder(QueuedForwarder[Record]):
    """Sends records, with personal data covered, to the supervisors in another room.

    Args:
        url, api_key, api_secret: The LiveKit server.
        to_room: Name of the other room.
        room_sid: The call that the records are of.
        secret: Signs the messages; None sends them unsigned.
        supervisors: Identities that are supervisors by the settings.
        patterns: Roles by the settings.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        api_secret: str,
        to_room: str,
        room_sid: str,
        secret: str | None,
        supervisors: Collection[str] = (),
        patterns: Sequence[RolePattern] = (),
    ) -> None:
        super().__init__(name="room", room_sid=room_sid, max_batch=50, gather_s=0.1)
        self._access = (url, api_key, api_secret)
        self._to_room = to_room
        self._secret = secret
        self._supervisors = supervisors
        self._patterns = patterns
        self._client: api.LiveKitAPI | None = None
        self._listed: tuple[str, ...] = ()
        self._listed_at_s: float | None = None

    def put(self, record: Record) -> None:
        """Take one record."""
        self.enqueue(record)

    async def deliver(self, items: Sequence[Record]) -> bool:
        """Send each to whoever supervises there; nobody there is no failure."""
        if self._client is None:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            self._client = api.LiveKitAPI(*self._access, timeout=timeout)
        try:
            receivers = await self._receivers(self._client)
            if not receivers:
                # An empty list of destinations would reach everybody in that room.
                return True
            for record in items:
                await self._client.room.send_data(
                    api.SendDataRequest(
                        room=self._to_room,
                        data=seal(record.id, record.payload(), self._secret),
                        topic=TOPIC,
                        destination_identities=list(receivers),
                    )
                )
        except (aiohttp.ClientError, api.TwirpError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Send what is left and let go of the server."""
        await super().close()
        if self._client is not None:
            await self._client.aclose()
            await asyncio.sleep(0)
            self._client = None

    async def _receivers(self, client: api.LiveKitAPI) -> tuple[str, ...]:
        now_s = time.monotonic()
        if self._listed_at_s is None or now_s - self._listed_at_s > _LISTED_FOR_S:
            rooms = await client.room.list_rooms(api.ListRoomsRequest(names=[self._to_room]))
            people = []
            if rooms.rooms:
                found = await client.room.list_participants(
                    api.ListParticipantsRequest(room=self._to_room)
                )
                people = list(found.participants)
            self._listed = tuple(p.identity for p in people if self._is_supervisor(p))
            self._listed_at_s = now_s
        return self._listed

    def _is_supervisor(self, participant: api.ParticipantInfo) -> bool:
        role = role_of(
            identity=participant.identity,
            attributes=participant.attributes,
            metadata=participant.metadata,
            kind=kind_name(api.ParticipantInfo.Kind.Name(participant.kind)),
            supervisors=self._supervisors,
            patterns=self._patterns,
        )
        return role is Role.SUPERVISOR
