"""From settings to what the live side needs for records."""

from __future__ import annotations

from earmark.alert_wiring import allowed_targets
from earmark.settings import Settings
from earmark.wiring import LiveKitAccess
from realtime.identity import agent_named
from realtime.record_config import RecordConfig, RoomAccess
from realtime.roster import RolePattern
from realtime.text_intake import Precedence
from rules.types import Role


def role_patterns(settings: Settings) -> tuple[RolePattern, ...]:
    """The roles that the settings give."""
    pairs = (each.rpartition("=") for each in settings.roles)
    return tuple(RolePattern(pattern=pattern, role=Role(role)) for pattern, _, role in pairs)


def record_config(settings: Settings) -> RecordConfig:
    """What is done with records."""
    secret = settings.webhook_secret
    return RecordConfig(
        enabled=settings.records,
        unmasked=settings.records_unmasked,
        to_database=settings.records_database,
        to_room=settings.records_room,
        webhook_url=settings.records_webhook_url,
        webhook_secret=secret.get_secret_value() if secret is not None else None,
        allowed=allowed_targets(settings),
        to_agent=agent_named(settings.records_agent) if settings.records_agent else None,
        kept_days=settings.records_kept_days,
        precedence=Precedence(settings.transcripts),
    )


def room_access(settings: Settings, access: LiveKitAccess) -> RoomAccess:
    """The LiveKit server, and who supervises in its rooms."""
    secret = settings.signing_secret
    return RoomAccess(
        url=access.url,
        api_key=access.api_key,
        api_secret=access.api_secret,
        supervisors=frozenset(settings.supervisors),
        roles=role_patterns(settings),
        signing_secret=secret.get_secret_value() if secret is not None else None,
    )
