"""A call session: the rule engine of one call, the ears that feed it, and where its hits go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from realtime.alerts import Alert, AlertSink
from realtime.clock import Clock
from realtime.ear import Ear
from rules.engine import Engine
from rules.types import CallEnded, Event, HeardUntil, Hit, Participant, Role, Utterance

OnUtterance = Callable[[Utterance], Awaitable[None]]


class CallSession:
    """Feeds one call's events to the engine and publishes what it finds.

    Args:
        room_sid: The call.
        engine: The rules in force.
        clock: The call clock.
        sinks: Where alerts go; all of them get every alert.
        on_utterance: Called with each utterance before its hits are published; must not wait long.
    """

    def __init__(
        self,
        *,
        room_sid: str,
        engine: Engine,
        clock: Clock,
        sinks: Sequence[AlertSink],
        on_utterance: OnUtterance | None = None,
    ) -> None:
        self.room_sid = room_sid
        self._engine = engine
        self._state = engine.start()
        self._clock = clock
        self._sinks = tuple(sinks)
        self._on_utterance = on_utterance
        self._ears: set[Ear] = set()
        self._heard_until_s = 0.0
        self._sids: dict[str, str] = {}
        self._roles: dict[str, Role | None] = {}

    async def participant(self, participant: Participant, *, sid: str) -> None:
        """Somebody joined, or became known by another role or session id."""
        self._sids[participant.identity] = sid
        self._roles[participant.identity] = participant.role
        await self._feed(participant)

    def listen(self, ear: Ear) -> None:
        """Wait for this ear before deadlines fire."""
        self._ears.add(ear)

    def forget(self, ear: Ear) -> None:
        """No longer wait for this ear."""
        self._ears.discard(ear)

    async def utterance(self, utterance: Utterance) -> None:
        """Somebody said something."""
        # The engine first, without a wait in between: its ear no longer vouches for these words,
        # and a promise that they have been fed must not overtake them.
        hits = self._step(utterance)
        if self._on_utterance is not None:
            await self._on_utterance(utterance)
        await self._publish(hits)

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

    def _step(self, event: Event) -> tuple[Hit, ...]:
        step = self._engine.feed(self._state, event)
        self._state = step.state
        return step.hits

    async def _publish(self, hits: tuple[Hit, ...]) -> None:
        for hit in hits:
            alert = self._alert(hit)
            await asyncio.gather(*(sink.publish(alert) for sink in self._sinks))

    def _alert(self, hit: Hit) -> Alert:
        return Alert(
            hit=hit,
            room_sid=self.room_sid,
            participant_sid=self._sids.get(hit.speaker) if hit.speaker else None,
            role=self._roles.get(hit.speaker) if hit.speaker else None,
            raised_at=datetime.now(UTC),
            raised_s=self._clock.now_s(),
        )
