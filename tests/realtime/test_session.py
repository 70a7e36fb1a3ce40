"""A session feeds events to the engine in an order that keeps its promises."""

import asyncio
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.alerts import Alert
from realtime.clock import VirtualClock
from realtime.session import CallSession
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import HitState, Participant, Role, Span, Utterance, utterance_from_text


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


async def test_three_states_of_a_hit() -> None:
    """Interim words raise an alert at once; final ones settle it by an update of the same hit."""
    notes = Notes()
    call = session(notes)
    right, wrong = said("These are guaranteed returns.", 1, 3), said("Well, good morning.", 9, 10)
    await call.utterance(replace(right, is_final=False))
    await call.utterance(right)
    guess = said("It is guaranteed returns.", 9, 10)
    await call.utterance(replace(guess, is_final=False))
    await call.utterance(wrong)
    told = [(alert.hit.id, alert.state.value, alert.is_update) for alert in notes.alerts]
    first, second = notes.alerts[0].hit.id, notes.alerts[2].hit.id
    assert told == [
        (first, "provisional", False),
        (first, "confirmed", True),
        (second, "provisional", False),
        (second, "retracted", True),
    ]


async def test_interim_words_are_told_apart() -> None:
    """Who listens to final words hears no interim ones."""
    finals: list[str] = []
    interims: list[str] = []

    async def note(utterance: Utterance) -> None:
        finals.append(utterance.text)

    async def note_interim(utterance: Utterance) -> None:
        interims.append(utterance.text)

    call = CallSession(
        room_sid="RM_1", engine=Engine(load_rulebook()), clock=VirtualClock(), sinks=(),
        on_utterance=note, on_interim=note_interim,
    )  # fmt: skip
    await call.utterance(replace(said("Good mor", 1, 2), is_final=False))
    await call.utterance(said("Good morning.", 1, 2))
    assert (interims, finals) == (["Good mor"], ["Good morning."])


_ENGINE = Engine(load_rulebook())
_SENTENCES = (
    "Good morning, how can I help you?",
    "These are guaranteed returns.",
    "You cannot lose.",
    "My card number is four five three nine one four eight eight",
    "zero three four three six four six seven.",
    "This call is being recorded.",
    "My social security number is two one nine, zero nine, nine five two six.",
    "Thank you, goodbye.",
)
_SPOKEN = st.tuples(st.sampled_from(_SENTENCES), st.lists(st.sampled_from(_SENTENCES), max_size=3))


async def _settled(turns: list[tuple[str, list[str]]]) -> tuple[set[object], set[HitState]]:
    notes = Notes()
    call = CallSession(room_sid="RM_1", engine=_ENGINE, clock=VirtualClock(), sinks=(notes,))
    for number, (final, interims) in enumerate(turns):
        start_s = 5.0 * number + 1
        utterance = said(final, start_s, start_s + 3)
        for revision, text in enumerate(interims):
            guess = said(text, start_s, start_s + 3)
            await call.utterance(replace(guess, is_final=False, revision=revision))
        await call.utterance(replace(utterance, revision=len(interims)))
        await call.advance(start_s + 3)
    await call.end(5.0 * len(turns) + 60)
    latest = {alert.hit.id: alert.hit for alert in notes.alerts}
    stood = {
        (hit.rule_id, hit.speaker, hit.span, hit.excerpt, hit.score)
        for hit in latest.values()
        if hit.state is not HitState.RETRACTED
    }
    return stood, {hit.state for hit in latest.values()}


@settings(max_examples=60, deadline=None)
@given(st.lists(_SPOKEN, min_size=1, max_size=5))
def test_interim_words_never_change_what_stands(turns: list[tuple[str, list[str]]]) -> None:
    """Whatever was guessed meanwhile, the same hits stand at the end, and none is left open."""
    with_guesses, states = asyncio.run(_settled(turns))
    without, _ = asyncio.run(_settled([(final, []) for final, _ in turns]))
    assert with_guesses == without
    assert HitState.PROVISIONAL not in states
