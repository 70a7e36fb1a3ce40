"""Where records go, by settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from realtime.guard import Allowed
from realtime.roster import RolePattern
from realtime.text_intake import Precedence


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordConfig:
    """What is done with records; travels by pickle, so it holds plain data."""

    enabled: bool = True
    unmasked: bool = False  # to supervisors in the room only
    to_database: bool = False
    to_room: str | None = field(default=None, repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    allowed: Allowed = field(default_factory=Allowed)  # what the webhook may reach
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
