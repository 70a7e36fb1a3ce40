"""People and programs in a room who do more than speak, for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from livekit import api, rtc

from earmark.demo_call import Access
from realtime.envelope import unseal
from realtime.records import TOPIC
from realtime.roster import ROLE_ATTRIBUTE
from rules.types import Role


class Guest:
    """Somebody in a room, of any kind.

    Args:
        access: The server.
        room: Name of the room.
        identity: Who joins.
        role: By attribute; None says none.
        kind: LiveKit's kind: "standard", "agent", "sip".
        attributes: More of them.
        secret: Checks what arrives on the topic of records.
    """

    def __init__(
        self,
        access: Access,
        room: str,
        identity: str,
        *,
        role: Role | None = None,
        kind: str = "standard",
        attributes: Mapping[str, str] | None = None,
        secret: str | None = None,
    ) -> None:
        self.identity = identity
        self.room = rtc.Room()
        self.packets: list[rtc.DataPacket] = []
        self.records: list[Mapping[str, object]] = []
        self.n_forged = 0
        self._secret = secret
        self._url = access.url
        told = dict(attributes or {})
        if role is not None:
            told[ROLE_ATTRIBUTE] = role.value
        self._token = (
            api.AccessToken(access.api_key, access.api_secret)
            .with_identity(identity)
            .with_kind(kind)  # type: ignore[arg-type]
            .with_grants(api.VideoGrants(room_join=True, room=room))
            .with_attributes(told)
            .to_jwt()
        )
        self.room.on("data_received", self._on_data)

    async def join(self) -> None:
        """Come into the room."""
        await self.room.connect(self._url, self._token)

    async def leave(self) -> None:
        """Go out of the room."""
        await self.room.disconnect()

    async def write(self, text: str, attributes: Mapping[str, str]) -> None:
        """Send a text stream as livekit-agents does: word by word, final at its end."""
        begins = {**attributes, "lk.transcription_final": "false"}
        writer = await self.room.local_participant.stream_text(
            topic="lk.transcription", attributes=begins
        )
        for word in text.split():
            await writer.write(word + " ")
            await asyncio.sleep(0.02)
        await writer.aclose(attributes={**attributes, "lk.transcription_final": "true"})

    async def send(self, topic: str, message: object) -> None:
        """Send a data message: text as it is, everything else as JSON."""
        payload = message if isinstance(message, str) else json.dumps(message)
        await self.room.local_participant.publish_data(payload, topic=topic)

    async def press(self, keys: str) -> None:
        """Press keys of a telephone."""
        for key in keys:
            await self.room.local_participant.publish_dtmf(code=int(key), digit=key)

    def records_of(self, type_: str) -> list[Mapping[str, object]]:
        """The records of a type that arrived."""
        return [record for record in self.records if record["type"] == type_]

    def _on_data(self, packet: rtc.DataPacket) -> None:
        self.packets.append(packet)
        if packet.topic == TOPIC and self._secret is not None:
            record = unseal(packet.data, self._secret)
            if record is None:
                self.n_forged += 1
            else:
                self.records.append(record)
