"""Alerts to the supervisors in the room, as signed data messages."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from typing import Protocol

from livekit import rtc

from realtime.alerts import TOPIC, Alert, envelope
from rules.types import HitState

log = logging.getLogger(__name__)

# A supervisor who joins late still gets the alerts of the call so far, up to these.
_MAX_KEPT = 500


class DataPublisher(Protocol):
    """What sends data messages: `rtc.LocalParticipant`."""

    async def publish_data(
        self,
        payload: bytes | str,
        *,
        reliable: bool = True,
        destination_identities: list[str] = ...,
        topic: str = "",
    ) -> None:
        """Send a data message."""


class ConnectedRoom(Protocol):
    """What is needed of a room: `rtc.Room`, which has a local participant once it is joined."""

    @property
    def local_participant(self) -> DataPublisher:
        """Oneself."""


class SupervisorSink:
    """Sends alerts to the supervisors of one room, and to nobody else.

    Args:
        room: The observer's room; joined before the first supervisor is known.
        secret: Signs the messages; None sends them unsigned.
    """

    def __init__(self, room: ConnectedRoom, *, secret: str | None) -> None:
        self._room = room
        self._secret = secret
        self._supervisors: set[str] = set()
        self._kept: deque[Alert] = deque(maxlen=_MAX_KEPT)

    async def joined(self, identity: str) -> None:
        """A supervisor came: they get what was raised before."""
        if identity in self._supervisors:
            return
        self._supervisors.add(identity)
        for alert in tuple(self._kept):
            await self._send(alert, [identity])

    def left(self, identity: str) -> None:
        """A supervisor went, or is one no more."""
        self._supervisors.discard(identity)

    async def publish(self, alert: Alert) -> None:
        """Send one alert, or what became of it, to every supervisor in the room."""
        self._keep(alert)
        # An empty list of destinations would reach everybody, the monitored caller included.
        if self._supervisors:
            await self._send(alert, sorted(self._supervisors))

    def _keep(self, alert: Alert) -> None:
        """Remember it for who comes later: they get the latest state, and nothing taken back."""
        for index, kept in enumerate(self._kept):
            if kept.hit.id == alert.hit.id:
                if alert.state is HitState.RETRACTED:
                    del self._kept[index]
                else:
                    self._kept[index] = replace(alert, is_update=False)
                return
        if alert.state is not HitState.RETRACTED:
            self._kept.append(alert)

    async def _send(self, alert: Alert, identities: list[str]) -> None:
        try:
            await self._room.local_participant.publish_data(
                envelope(alert, self._secret),
                reliable=True,
                destination_identities=identities,
                topic=TOPIC,
            )
        except (rtc.participant.PublishDataError, RuntimeError):
            # The alert is in the database, and a supervisor who comes back gets it again.
            log.warning(
                "an alert did not reach the supervisors",
                extra={"room_sid": alert.room_sid, "hit_id": alert.hit.id},
            )
