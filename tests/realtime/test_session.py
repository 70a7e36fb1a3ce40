"""A session feeds events to the engine in an order that keeps its promises."""

import asyncio
from dataclasses import dataclass, field

from realtime.alerts import Alert
from realtime.clock import VirtualClock
from realtime.session import CallSession
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import Participant, Role, Span, Utterance, utterance_from_text


@dataclass
class Notes:
    """A sink that notes what it gets."""

    alerts: list[Alert] = field(default_factory=list)

    async def publish(self, alert: Alert) -> None:
        """Take one alert."""
        self.alerts.append(alert)


def said(text: str, start_s: float, end_s: float, *, by: str = "ann") -> Utterance:
    """An utterance."""
    return utterance_from_text(text, Span(start_s, end_s), id=f"{by}/{start_s}", speaker=by)


def session(notes: Notes) -> CallSession:
    """A session on the built-in book."""
    return CallSession(
        room_sid="RM_1", engine=Engine(load_rulebook()), clock=VirtualClock(), sinks=(notes,)
    )


async def test_alerts_carry_session_id_and_role() -> None:
    """An alert names its speaker as the room does, without the identity."""
    notes = Notes()
    call = session(notes)
    await call.participant(Participant(identity="ann", role=Role.AGENT), sid="PA_7")
    await call.utterance(said("These are guaranteed returns.", 1, 3))
    (alert,) = notes.alerts
    assert (alert.participant_sid, alert.role) == ("PA_7", Role.AGENT)
    assert alert.hit.rule_id == "conduct.promissory-claim"
    assert "ann" not in str(alert.payload())


async def test_a_deadline_fires_without_anybody_speaking() -> None:
    """The missing notice is told once, when its time is over."""
    notes = Notes()
    call = session(notes)
    await call.utterance(said("Good morning, how can I help you?", 1, 3))
    await call.advance(20)
    assert notes.alerts == []
    await call.advance(31.5)
    await call.advance(60)
    assert [alert.hit.rule_id for alert in notes.alerts] == ["disclosure.recording-notice"]


async def test_time_does_not_run_backwards() -> None:
    """An earlier position after a later one changes nothing."""
    notes = Notes()
    call = session(notes)
    await call.utterance(said("Good morning.", 1, 3))
    await call.advance(40)
    await call.advance(5)
    await call.end(20)
    assert len(notes.alerts) == 1


async def test_a_promise_does_not_overtake_words() -> None:
    """While a listener of utterances waits, time may go by, and the notice still counts."""
    notes = Notes()
    slow = asyncio.Event()

    async def wait(utterance: Utterance) -> None:
        await slow.wait()

    call = CallSession(
        room_sid="RM_1", engine=Engine(load_rulebook()), clock=VirtualClock(), sinks=(notes,),
        on_utterance=wait,
    )  # fmt: skip
    saying = asyncio.create_task(call.utterance(said("This call is being recorded.", 1, 3)))
    await asyncio.sleep(0)
    await call.advance(60)
    slow.set()
    await saying
    assert notes.alerts == []
