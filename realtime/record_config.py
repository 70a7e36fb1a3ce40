"""Where records go, by settings, and the forwarders that take them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.forwarders.database import DatabaseForwarder
from realtime.forwarders.forwarder import Forwarder
from realtime.forwarders.room import RoomForwarder
from realtime.forwarders.webhook import RecordWebhook
from realtime.roster import RolePattern
from realtime.text_intake import Precedence
from storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordConfig:
    """What is done with records; travels by pickle, so it holds plain data."""

    enabled: bool = True
    unmasked: bool = False  # to supervisors in the room only
    to_database: bool = False
    to_room: str | None = field(default=None, repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    to_agent: str | None = None
    kept_days: int = 30
    precedence: Precedence = Precedence.EAR


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAccess:
    """The LiveKit server, and who supervises in its rooms."""

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    supervisors: frozenset[str] = field(repr=False)
    roles: tuple[RolePattern, ...] = field(repr=False)
    signing_secret: str | None = field(repr=False)


def forwarders_of(
    config: RecordConfig, *, access: RoomAccess, database: Database, room_sid: str
) -> Sequence[Forwarder]:
    """The ways out of the room that the settings ask for.

    Args:
        config: What is done with records.
        access: The LiveKit server.
        database: Open.
        room_sid: The call.
    """
    found: list[Forwarder] = []
    if config.to_database:
        found.append(DatabaseForwarder(database, room_sid=room_sid))
    if config.to_room is not None:
        found.append(
            RoomForwarder(
                url=access.url,
                api_key=access.api_key,
                api_secret=access.api_secret,
                to_room=config.to_room,
                room_sid=room_sid,
                secret=access.signing_secret,
                supervisors=access.supervisors,
                patterns=access.roles,
            )
        )
    if config.webhook_url is not None:
        found.append(
            RecordWebhook(url=config.webhook_url, secret=config.webhook_secret, room_sid=room_sid)
        )
    return tuple(found)
