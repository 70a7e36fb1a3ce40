"""Alerts: hits on their way to people, in the one form that leaves the process.

The form is thin. It names the participant by its session id and role, never by identity, which may
be a telephone number, and carries no speech but the masked excerpt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from realtime.envelope import seal
from rules.types import Hit, HitState, Role

TOPIC = "compliance_alert"
# Of what `Alert.payload` says it is: a hit that is told for the first time, or news of one.
ALERT = "compliance_alert"
UPDATE = "compliance_alert_update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A hit that is published live, or what became of one.

    A hit from interim words is published at once, as provisional. When the final words confirm or
    retract it, an update with the same hit id follows.
    """

    hit: Hit
    room_sid: str
    participant_sid: str | None  # None for what nobody said
    role: Role | None
    raised_at: datetime  # UTC
    raised_s: float  # call clock: when the alert left
    is_update: bool = False  # the hit was published before, as a provisional one
    shadow: bool = False  # of a rule on trial: it is kept, and nobody is told

    @property
    def state(self) -> HitState:
        """How sure the hit is."""
        return self.hit.state

    @property
    def message_id(self) -> str:
        """Names the message: the hit's id for an alert, with the state for an update."""
        return f"{self.hit.id}.{self.state.value}" if self.is_update else self.hit.id

    def payload(self) -> dict[str, object]:
        """What is sent: ids, spans and the masked excerpt."""
        return {
            "type": UPDATE if self.is_update else ALERT,
            "hit_id": self.hit.id,
            "room_sid": self.room_sid,
            "participant_sid": self.participant_sid,
            "role": self.role.value if self.role else None,
            "rule": self.hit.rule_id,
            "rule_version": self.hit.rule_version,
            "severity": self.hit.severity.value,
            "state": self.hit.state.value,
            "start_s": round(self.hit.span.start_s, 3),
            "end_s": round(self.hit.span.end_s, 3),
            "at_s": round(self.raised_s, 3),
            "excerpt": self.hit.excerpt,
            "score": round(self.hit.score, 3),
            "raised_at": self.raised_at.isoformat(),
        }


class AlertSink(Protocol):
    """Somewhere that alerts go. A sink handles its own failures and never blocks for long."""

    async def publish(self, alert: Alert) -> None:
        """Take one alert."""


def envelope(alert: Alert, secret: str | None) -> bytes:
    """The data message of an alert.

    Args:
        alert: What is sent.
        secret: `whsec_` and base64; None sends an unsigned message, marked as such.
    """
    return seal(alert.message_id, alert.payload(), secret)
