"""From settings to what the live side needs for records."""

from __future__ import annotations

from earmark.settings import Settings
from realtime.record_config import RecordConfig
from realtime.roster import RolePattern
from realtime.text_intake import Precedence
from rules.types import Role

_ANALYST = "analyst"  # how the setting and `earmark dispatch --agent` name the built-in one
ANALYST_NAME = "earmark-analyst"


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
        to_agent=agent_name(settings.records_agent),
        kept_days=settings.records_kept_days,
        precedence=Precedence(settings.transcripts),
    )


def agent_name(given: str | None) -> str | None:
    """The name by which LiveKit knows an agent."""
    return ANALYST_NAME if given == _ANALYST else given
