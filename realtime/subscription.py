"""How an agent asks for the records of a call: by a message that only we and it can sign.

An agent is not seen by its role: ours is hidden, and nobody can tell who sent a data message. So it
addresses a signed request to the observer, again every few seconds, and the observer sends records
to the identity that the request names.
"""

from __future__ import annotations

from uuid import uuid4

from realtime.envelope import seal, unseal

REQUEST_TOPIC = "conversation_analysis_request"
ASK_EVERY_S = 15.0
_TYPE = "subscribe"
_MAX_BYTES = 4096


def subscription(*, identity: str, room_sid: str, secret: str) -> bytes:
    """The message by which an agent asks.

    Args:
        identity: Who wants the records: the agent's own identity in the room.
        room_sid: The call.
        secret: `whsec_` and base64, the same as the observer's.
    """
    return seal(uuid4().hex, {"type": _TYPE, "identity": identity, "room_sid": room_sid}, secret)


def subscriber_in(data: bytes, *, room_sid: str, secret: str | None) -> str | None:
    """Who asks.

    Returns:
        The identity, or None for a request that is forged, old, or of another call; without a
        secret, nobody can prove anything.
    """
    if secret is None or len(data) > _MAX_BYTES:
        return None
    body = unseal(data, secret)
    if body is None or body.get("type") != _TYPE or body.get("room_sid") != room_sid:
        return None
    identity = body.get("identity")
    return identity if isinstance(identity, str) and identity else None
