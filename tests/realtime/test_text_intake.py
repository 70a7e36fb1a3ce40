"""Words that come as text are judged once, whoever else hears them."""

from dataclasses import dataclass, field

import pytest

from realtime.record_flow import RecordFlow
from realtime.session import CallSession
from realtime.text_intake import Precedence, Text, TextIntake
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import Span, Utterance, utterance_from_text
from tests.realtime.flow_builders import HandClock, Notes, flow_to
from tests.realtime.test_session import Notes as Alerts


@dataclass
class Call:
    """A call with an intake, and what came of it."""

    clock: HandClock
    notes: Notes
    flow: RecordFlow
    session: CallSession
    intake: TextIntake
    heard: set[str] = field(default_factory=set)

    async def records(self) -> list[tuple[str, str]]:
        """What was recorded."""
        await self.flow.close()
        return self.notes.seen()


def call(precedence: Precedence = Precedence.EAR) -> Call:
    """A call on the built-in book."""
    clock, notes = HandClock(10.0), Notes()
    flow = flow_to(notes, clock=clock)
    flow.start()
    heard: set[str] = set()
    session = CallSession(
        room_sid="RM_1",
        engine=Engine(load_rulebook()),
        clock=clock,
        sinks=(Alerts(),),
        on_utterance=flow.utterance,
        judges=lambda utterance: intake.judges(utterance),
    )
    intake = TextIntake(
        session=session,
        flow=flow,
        clock=clock,
        is_heard=lambda identity, _track: identity in heard,
        precedence=precedence,
    )
    return Call(clock, notes, flow, session, intake, heard)


def text(words: str, *, began_s: float = 8.0, ended_s: float = 10.0, **more: object) -> Text:
    """A text of a chat agent."""
    return Text(
        source="text_stream", speaker="bot", text=words, began_s=began_s, ended_s=ended_s,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def heard(words: str, start_s: float, end_s: float) -> Utterance:
    """What our ear heard of the agent."""
    return utterance_from_text(words, Span(start_s, end_s), id="TR_1/0", speaker="bot")


async def test_text_of_somebody_who_only_writes() -> None:
    """It is judged as an utterance."""
    now = call()
    await now.intake.take(text("Hello there"))
    assert await now.records() == [("utterance", "Hello there")]


async def test_text_of_a_voice_that_we_hear() -> None:
    """By default our own ear counts, and the text is only told."""
    now = call()
    now.heard.add("bot")
    await now.intake.take(text("Hello there", by_itself=True))
    await now.session.utterance(heard("hello there", 8, 10))
    assert await now.records() == [("transcription", "Hello there"), ("utterance", "hello there")]


async def test_an_agents_own_text_may_count() -> None:
    """By setting, an AI agent's text counts, and what we hear of the same moments does not."""
    now = call(Precedence.TEXT)
    now.heard.add("bot")
    await now.intake.take(text("Hello there", by_itself=True))
    await now.session.utterance(heard("hallo dare", 8, 10))
    now.clock.at_s = 40.0
    await now.session.utterance(
        utterance_from_text("off script", Span(30, 33), id="TR_1/1", speaker="bot")
    )
    assert await now.records() == [
        ("utterance", "Hello there"),
        ("transcription", "hallo dare"),
        ("utterance", "off script"),
    ]


async def test_others_text_never_silences_a_voice() -> None:
    """What somebody else says that a caller said does not count, whatever the setting."""
    now = call(Precedence.TEXT)
    now.heard.add("bot")
    await now.intake.take(text("harmless", by_itself=False))
    await now.session.utterance(heard("guaranteed returns", 8, 10))
    assert await now.records() == [
        ("transcription", "harmless"),
        ("utterance", "guaranteed returns"),
    ]


async def test_guesses_go_the_way_of_their_first() -> None:
    """An utterance that was begun to be judged is judged to its end."""
    now = call(Precedence.TEXT)
    first = utterance_from_text("hel", Span(8, 9), id="TR_1/0", speaker="bot", is_final=False)
    assert now.intake.judges(first)
    now.heard.add("bot")
    await now.intake.take(text("Hello there", by_itself=True))
    assert now.intake.judges(heard("hello there", 8, 10))


async def test_text_that_is_still_coming() -> None:
    """While an agent's text streams in, deadlines wait, and its voice is claimed."""
    now = call(Precedence.TEXT)
    coming = now.intake.opened(8.0, speaker="bot", by_itself=True)
    assert not now.intake.judges(heard("hello", 8.5, 9.5))
    await now.session.advance(40.0)
    assert now.session.heard_until_s == 8.0
    now.intake.closed(coming)
    await now.session.advance(40.0)
    assert now.session.heard_until_s == 40.0
    await now.flow.close()


async def test_a_text_that_grows() -> None:
    """Only the final state counts, or the last one where none comes."""
    now = call()
    await now.intake.take(text("Hel", segment_id="a", is_final=False))
    await now.intake.take(text("Hello", segment_id="a", is_final=True))
    await now.intake.take(text("Never fin", segment_id="b", is_final=False))
    await now.intake.settle_old(now_s=15.0)
    await now.intake.settle_old(now_s=21.0)
    await now.intake.take(text("At the end", segment_id="c", is_final=False))
    await now.intake.settle_all()
    assert [content for _, content in await now.records()] == ["Hello", "Never fin", "At the end"]


@pytest.mark.parametrize(
    ("later_s", "n_expected"),
    [pytest.param(1.0, 1, id="at-once"), pytest.param(60.0, 2, id="later")],
)
async def test_the_same_on_two_ways(later_s: float, n_expected: int) -> None:
    """An agent that sends its words twice is taken once, unless it repeats itself later."""
    now = call()
    await now.intake.take(text("Hello there."))
    now.clock.at_s += later_s
    await now.intake.take(text("hello  there.", began_s=now.clock.at_s, ended_s=now.clock.at_s))
    assert len(await now.records()) == n_expected


async def test_words_do_not_fall_behind_a_promise() -> None:
    """A text lies behind what has been promised to be silence."""
    now = call()
    await now.session.advance(9.5)
    await now.intake.take(text("Hello there"))
    await now.flow.close()
    (made,) = now.notes.records
    assert (made.metadata["start_s"], made.metadata["end_s"]) == (9.5, 10.0)
