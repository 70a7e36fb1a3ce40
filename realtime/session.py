"""A call session: the rule engine of one call, the ears that feed it, and where its hits go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from realtime.alerts import Alert, AlertSink
from realtime.clock import Clock
from rules.engine import Engine
from rules.readings import Readings
from rules.types import (
    CallEnded,
    Event,
    HeardUntil,
    Hit,
    HitState,
    Participant,
    Role,
    Utterance,
)

OnUtterance = Callable[[Utterance], Awaitable[None]]
Judges = Callable[[Utterance], bool]


class Hearing(Protocol):
    """Something that is being heard: everything before its position has been fed."""

    @property
    def heard_until_s(self) -> float:
        """Call-clock position."""


class CallSession:
    """Feeds one call's events to the engine and publishes what it finds.

    Args:
        room_sid: The call.
        engine: The rules in force.
        clock: The call clock.
        sinks: Where alerts go; all of them get every alert.
        on_utterance: Called with each final utterance before its hits are published; must not wait
            long.
        on_interim: The same, with interim ones.
        judges: Whether the rules may have an utterance; all of them by default.
        trial: The rules on trial, if there are any.
        trial_sinks: Where their hits go, marked as such; they go nowhere else.
    """

    def __init__(
        self,
        *,
        room_sid: str,
        engine: Engine,
        clock: Clock,
        sinks: Sequence[AlertSink],
        on_utterance: OnUtterance | None = None,
        on_interim: OnUtterance | None = None,
        judges: Judges | None = None,
        trial: Engine | None = None,
        trial_sinks: Sequence[AlertSink] = (),
    ) -> None:
        self.room_sid = room_sid
        self._engine = engine
        self._readings = Readings(engine)
        self._state = engine.start()
        self._clock = clock
        self._sinks = tuple(sinks)
        self._trial = trial
        self._trial_state = trial.start() if trial is not None else None
        self._trial_sinks = tuple(trial_sinks)
        self._on_utterance = on_utterance
        self._on_interim = on_interim
        self._judges = judges
        self._provisional: set[str] = set()  # ids of hits that were told and are not settled
        # Of one hit at a time, so that its states arrive in their order.
        self._publishing = asyncio.Lock()
        self._ears: set[Hearing] = set()
        self._heard_until_s = 0.0
        self._sids: dict[str, str] = {}
        self._roles: dict[str, Role | None] = {}

    @property
    def heard_until_s(self) -> float:
        """Call-clock position before which everything that was said has been fed."""
        return self._heard_until_s

    async def participant(self, participant: Participant, *, sid: str) -> None:
        """Somebody joined, or became known by another role or session id."""
        self._sids[participant.identity] = sid
        self._roles[participant.identity] = participant.role
        await self._feed(participant)

    def listen(self, ear: Hearing) -> None:
        """Wait for this ear before deadlines fire."""
        self._ears.add(ear)

    def forget(self, ear: Hearing) -> None:
        """No longer wait for this ear."""
        self._ears.discard(ear)

    async def utterance(self, utterance: Utterance) -> None:
        """Somebody said something, or seems to be saying it."""
        if self._judges is not None and not self._judges(utterance):
            return
        # The engine first, without a wait in between: its ear no longer vouches for these words,
        # and a promise that they have been fed must not overtake them.
        alerts = self._step(utterance)
        tell = self._on_utterance if utterance.is_final else self._on_interim
        if tell is not None:
            await tell(utterance)
        await self._publish(alerts)

    def would_raise(self, utterance: Utterance) -> tuple[Hit, ...]:
        """The hits that an interim utterance would lead to now, beside those that were told."""
        if self._judges is not None and not self._judges(utterance):
            return ()
        return self._engine.feed(self._state, utterance).hits

    @property
    def weighs_readings(self) -> bool:
        """Whether a rule asks for personal data, so that it matters how a number is read."""
        return self._readings.are_weighed

    def weigh(self, utterance: Utterance) -> float:
        """How certain the personal data is that a final utterance would lead to, if it came next.

        Returns:
            In [0.0, 1.0]; 0.0 where there would be none.
        """
        return self._readings.weigh(self._state, utterance)

    def is_awaited(self, utterance: Utterance) -> bool:
        """Whether a number is announced in a final utterance, and something else follows."""
        return self._readings.is_awaited(self._state, utterance)

    async def advance(self, silent_until_s: float) -> None:
        """Let time go by.

        Args:
            silent_until_s: Call-clock position until which whoever has no ear said nothing.
        """
        until_s = min((ear.heard_until_s for ear in self._ears), default=silent_until_s)
        if until_s > self._heard_until_s:
            self._heard_until_s = until_s
            await self._feed(HeardUntil(at_s=until_s))

    async def end(self, at_s: float) -> None:
        """The call is over and every ear has been settled."""
        at_s = max(at_s, self._heard_until_s)
        await self._feed(HeardUntil(at_s=at_s))
        await self._feed(CallEnded(at_s=at_s))

    async def _feed(self, event: Event) -> None:
        await self._publish(self._step(event))

    def _step(self, event: Event) -> tuple[Alert, ...]:
        step = self._engine.feed(self._state, event)
        self._state = step.state
        alerts = self._alerts(step.hits)
        if self._trial is not None and self._trial_state is not None:
            trial_step = self._trial.feed(self._trial_state, event)
            self._trial_state = trial_step.state
            alerts += self._alerts(trial_step.hits, shadow=True)
        return alerts

    def _alerts(self, hits: tuple[Hit, ...], *, shadow: bool = False) -> tuple[Alert, ...]:
        """The alerts of hits, in their order; made at once, so that waiting mixes nothing up."""
        alerts: list[Alert] = []
        for hit in hits:
            alerts.append(self._alert(hit, hit.id in self._provisional, shadow))
            if hit.state is HitState.PROVISIONAL:
                self._provisional.add(hit.id)
            else:
                self._provisional.discard(hit.id)
        return tuple(alerts)

    async def _publish(self, alerts: tuple[Alert, ...]) -> None:
        if not alerts:
            return
        async with self._publishing:
            for alert in alerts:
                sinks = self._trial_sinks if alert.shadow else self._sinks
                await asyncio.gather(*(sink.publish(alert) for sink in sinks))

    def _alert(self, hit: Hit, is_update: bool, shadow: bool) -> Alert:
        return Alert(
            hit=hit,
            room_sid=self.room_sid,
            participant_sid=self._sids.get(hit.speaker) if hit.speaker else None,
            role=self._roles.get(hit.speaker) if hit.speaker else None,
            raised_at=datetime.now(UTC),
            raised_s=self._clock.now_s(),
            is_update=is_update,
            shadow=shadow,
        )
