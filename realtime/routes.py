"""Which targets are told of a hit: queues its deliveries in the transaction that writes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from realtime.alerts import ALERT, Alert
from realtime.targets import Target
from rules.rulebook import Rule, Rulebook
from rules.types import HitState
from storage import outbox
from storage.database import Connection


class Routes:
    """The targets of the settings, with what they need to know of the rules.

    Args:
        targets: Who is told.
        rulebook: The rules in force: their titles, tags and actions.
    """

    def __init__(self, targets: Sequence[Target], rulebook: Rulebook) -> None:
        self._targets = tuple(targets)
        self._rules: dict[str, Rule] = {rule.id: rule for rule in rulebook.rules}

    def __bool__(self) -> bool:
        return bool(self._targets)

    def queue(self, connection: Connection, alert: Alert) -> None:
        """Queue an alert for every target that wants it. A shadow rule's alert is never queued.

        Args:
            connection: In the transaction that writes the hit.
            alert: The hit, in the state that has been written.
        """
        if alert.shadow:
            return
        rule = self._rules.get(alert.hit.rule_id)
        payload = alert.payload() | {"title": rule.title if rule else alert.hit.rule_id}
        now = datetime.now(UTC)
        for target in self._targets:
            about = {"room_sid": alert.room_sid, "hit_id": alert.hit.id, "target": target.name}
            if alert.state is HitState.RETRACTED:
                # Whatever the filters say now: who was told of a hit is told of its end.
                outbox.retract(connection, **about, payload=payload, now=now)
            elif target.wants(alert.hit, rule):
                outbox.enqueue(
                    connection,
                    **about,
                    # For this target it may be the first that it hears of this hit.
                    payload=payload | {"type": ALERT},
                    now=now,
                    group=alert.hit.rule_id,
                    group_s=target.group_s,
                    renew=alert.is_update,
                )
