"""Two people on a LiveKit call, played from audio files, and a supervisor who gets the alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from livekit import api, rtc
from numpy.typing import NDArray

from realtime.alerts import TOPIC
from realtime.envelope import unseal
from realtime.roster import ROLE_ATTRIBUTE
from rules.types import Role
from speech.audio import SAMPLE_RATE_HZ

_FRAME_SAMPLES = SAMPLE_RATE_HZ // 50
# LiveKit's source takes audio ahead of time; more than this would let a call run before the clock.
_QUEUE_MS = 50
# A hidden listener cannot be waited for: LiveKit tells a publisher of visible ones only.
_SUBSCRIBED_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A LiveKit server and its keys."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)

    def token(self, room: str, identity: str, role: Role) -> str:
        """A token to join a room in a role."""
        grants = api.VideoGrants(room_join=True, room=room)
        return (
            api.AccessToken(self.api_key, self.api_secret)
            .with_identity(identity)
            .with_grants(grants)
            .with_attributes({ROLE_ATTRIBUTE: role.value})
            .to_jwt()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAlert:
    """An alert as it reached the supervisor."""

    payload: Mapping[str, object]
    received_at: datetime
    authentic: bool  # whether the signature is right


class Caller:
    """Somebody who joins a room and speaks.

    Args:
        access: The server.
        room: Name of the room.
        identity: Who joins.
        role: In which role.
    """

    def __init__(self, access: Access, room: str, identity: str, role: Role) -> None:
        self.identity = identity
        self.room = rtc.Room()
        self._url = access.url
        self._token = access.token(room, identity, role)
        self._source: rtc.AudioSource | None = None

    async def join(self) -> None:
        """Come into the room."""
        await self.room.connect(self._url, self._token)

    async def publish(self) -> None:
        """Open the microphone, and leave listeners the time to subscribe."""
        self._source = rtc.AudioSource(SAMPLE_RATE_HZ, 1, queue_size_ms=_QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        await self.room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )
        await asyncio.sleep(_SUBSCRIBED_WITHIN_S)

    async def speak(
        self, samples: NDArray[np.float32], on_progress: Callable[[float], None] | None = None
    ) -> None:
        """Say something in real time.

        Args:
            samples: Shape (n_samples,), 16 kHz, range [-1.0, 1.0].
            on_progress: Called with the seconds that were said.
        """
        if self._source is None:
            raise RuntimeError("publish first")
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
        for start in range(0, len(pcm), _FRAME_SAMPLES):
            piece = pcm[start : start + _FRAME_SAMPLES]
            await self._source.capture_frame(
                rtc.AudioFrame(piece.tobytes(), SAMPLE_RATE_HZ, 1, len(piece))
            )
            if on_progress is not None:
                on_progress((start + len(piece)) / SAMPLE_RATE_HZ)

    async def leave(self) -> None:
        """Go out of the room."""
        await self.room.disconnect()


class SupervisorClient(Caller):
    """A supervisor's client: receives alerts and checks who they are from.

    Args:
        access: The server.
        room: Name of the room.
        identity: Who joins.
        secret: Checks the alerts' signatures.
        on_alert: Called with each alert.
    """

    def __init__(
        self,
        access: Access,
        room: str,
        identity: str,
        *,
        secret: str,
        on_alert: Callable[[ReceivedAlert], None],
    ) -> None:
        super().__init__(access, room, identity, Role.SUPERVISOR)
        self._secret = secret
        self._on_alert = on_alert
        self.room.on("data_received", self._on_data)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        payload = unseal(packet.data, self._secret)
        self._on_alert(
            ReceivedAlert(
                payload=payload or {},
                received_at=datetime.now(UTC),
                authentic=payload is not None,
            )
        )
