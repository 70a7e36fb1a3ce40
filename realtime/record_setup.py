"""Sets up what makes the records of a room, and the forwarders that take them away."""

from __future__ import annotations

from collections.abc import Sequence

from livekit import rtc

from realtime.clock import Clock
from realtime.forwarders.database import DatabaseForwarder
from realtime.forwarders.forwarder import Forwarder
from realtime.forwarders.room import RoomForwarder
from realtime.forwarders.supervisors import SupervisorForwarder
from realtime.forwarders.webhook import RecordWebhook
from realtime.guard import Guard
from realtime.language import InferenceExecutor, SharedLanguage
from realtime.language_process import METHOD
from realtime.record_buffer import RecordBuffer
from realtime.record_config import RecordConfig, RoomAccess
from realtime.record_flow import RecordFlow
from realtime.room_records import RoomRecords
from realtime.roster import Roster
from storage.database import Database


def room_records(
    config: RecordConfig,
    access: RoomAccess,
    *,
    room: rtc.Room,
    room_sid: str,
    clock: Clock,
    roster: Roster,
    executor: InferenceExecutor,
    database: Database,
) -> RoomRecords:
    """What makes the records of a room, and hands them on as the settings say.

    Args:
        config: What is done with records.
        access: The LiveKit server.
        room: Of the observer.
        room_sid: The call.
        clock: The call clock.
        roster: Who is who.
        executor: The way to the process that reads utterances.
        database: Open.
    """
    buffer = RecordBuffer()
    receivers = SupervisorForwarder(
        room,
        room_sid=room_sid,
        secret=access.signing_secret,
        buffer=buffer,
        unmasked=config.unmasked,
    )
    others = forwarders_of(config, access=access, database=database, room_sid=room_sid)
    flow = RecordFlow(
        room_sid=room_sid,
        clock=clock,
        roster=roster,
        language=SharedLanguage(executor, method=METHOD),
        forwarders=(receivers, *others) if config.enabled else (),
        buffer=buffer,
    )
    return RoomRecords(
        room=room,
        room_sid=room_sid,
        clock=clock,
        flow=flow,
        receivers=receivers,
        precedence=config.precedence,
        secret=access.signing_secret,
    )


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
            RecordWebhook(
                url=config.webhook_url,
                secret=config.webhook_secret,
                room_sid=room_sid,
                guard=Guard(config.allowed),
            )
        )
    return tuple(found)
