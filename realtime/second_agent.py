"""Sends another agent into an observed room, and tells it how to ask for records."""

from __future__ import annotations

import json
import logging

from realtime.dispatch import dispatch, livekit_api
from realtime.errors import RealtimeError
from realtime.record_config import RoomAccess
from realtime.records import TOPIC
from realtime.subscription import REQUEST_TOPIC

log = logging.getLogger(__name__)


def second_agent_metadata(*, room_sid: str, observer: str) -> str:
    """What the agent's job carries: whom to ask, on which topic, about which call.

    Args:
        room_sid: The call.
        observer: Identity of the observer in the room; made of an id, no personal data.
    """
    return json.dumps(
        {
            "room_sid": room_sid,
            "observer": observer,
            "request_topic": REQUEST_TOPIC,
            "topic": TOPIC,
        }
    )


async def send_agent(
    access: RoomAccess, *, agent_name: str, room_name: str, room_sid: str, observer: str
) -> None:
    """Send the agent; a room where it is already stays as it is. A failure is logged, no more."""
    metadata = second_agent_metadata(room_sid=room_sid, observer=observer)
    try:
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            await dispatch(client, room_name, agent_name=agent_name, metadata=metadata)
    except RealtimeError as exc:
        log.warning(
            "the second agent did not come",
            extra={"room_sid": room_sid, "error": type(exc).__name__},
        )
