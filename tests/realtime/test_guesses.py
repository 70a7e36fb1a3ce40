"""While somebody speaks, guesses become interim words, and never stand in the way of final ones."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from realtime.clock import VirtualClock
from realtime.ear import Ear
from realtime.errors import RecognitionDropped, RecognitionError
from realtime.listener import Listener
from realtime.recognition import AsyncRecogniser, Guesses
from realtime.session import CallSession
from realtime.ticket import Ticket
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import Span, Utterance
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.models import find_model
from speech.recogniser import RecognisedWord, Recognition
from speech.vad import LIVE, VadModel

CLEAN = Path(__file__).parents[1] / "fixtures" / "audio" / "clean-agent.ogg"
WORD_S = 0.5
CHUNK = 1024


@dataclass
class TimedWords:
    """Writes a word for each half second it hears, and invents one more at the end of a guess."""

    guesses: Guesses = Guesses.SURE
    second: AsyncRecogniser | None = None
    asked: list[tuple[int, bool]] = field(default_factory=list)  # length, whether it was final
    drops: bool = False  # gives up what is whole
    fails_on_guesses: type[RecognitionError] | None = None
    looped_from_s: float | None = None
    gate: asyncio.Event | None = None

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Recognise by plan."""
        self.asked.append((len(samples), ticket.is_final))
        if self.gate is not None:
            await self.gate.wait()
        if not ticket.is_final and self.fails_on_guesses is not None:
            raise self.fails_on_guesses("planned")
        if ticket.is_final and self.drops:
            raise RecognitionDropped("planned")
        n_words = int(len(samples) / SAMPLE_RATE_HZ / WORD_S)
        words = [
            RecognisedWord(text=f"w{n}", start_s=n * WORD_S, end_s=n * WORD_S + 0.4, confidence=0.9)
            for n in range(n_words)
        ]
        if not ticket.is_final:
            # Beyond the end of the samples, as Whisper does it.
            words.append(
                RecognisedWord(text=f"x{len(samples)}", start_s=90.0, end_s=99.0, confidence=0.1)
            )
        return Recognition(words=tuple(words), looped_from_s=self.looped_from_s)


class Scene:
    """A session with one listener, and notes of what came out of it."""

    def __init__(self, vad: VadModel, recogniser: TimedWords) -> None:
        self.told: list[Utterance] = []
        self.lost: list[tuple[Span, str]] = []
        self.session = CallSession(
            room_sid="RM_1",
            engine=Engine(load_rulebook()),
            clock=VirtualClock(),
            sinks=(),
            on_utterance=self._on_utterance,
            on_interim=self._on_utterance,
        )
        self.ear = Ear(speaker="ann", track_id="TR_1", anchor_s=0.0, model=vad, options=LIVE)
        self.listener = Listener(
            ear=self.ear, recogniser=recogniser, session=self.session, on_lost=self._on_lost
        )
        self.listener.start()

    async def _on_utterance(self, utterance: Utterance) -> None:
        self.told.append(utterance)

    async def _on_lost(self, ear: Ear, span: Span, reason: str) -> None:
        self.lost.append((span, reason))

    async def hear(self, speech: NDArray[np.float32]) -> None:
        """Hear it all, chunk by chunk, as fast as the recogniser allows."""
        for start in range(0, len(speech), CHUNK):
            await self.listener.put(speech[start : start + CHUNK])
            await self.listener.settled()
        await self.listener.close()

    def finals(self) -> list[Utterance]:
        """What is final of it."""
        return [utterance for utterance in self.told if utterance.is_final]


@pytest.fixture(scope="module")
def vad(tmp_path_factory: pytest.TempPathFactory) -> VadModel:
    """Real speech detection."""
    return VadModel(find_model("silero-vad", tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """Several sentences of one speaker."""
    return decode(CLEAN).samples[0][: 20 * SAMPLE_RATE_HZ]


async def test_interim_words_grow_until_the_final_ones(
    vad: VadModel, speech: NDArray[np.float32]
) -> None:
    """Revisions of one id count up and end with the final one; times stay within the sound."""
    scene = Scene(vad, TimedWords())
    await scene.hear(speech)
    ids = list(dict.fromkeys(utterance.id for utterance in scene.told))
    assert ids == [f"TR_1/{n}" for n in range(len(ids))]
    for id in ids:
        of_id = [utterance for utterance in scene.told if utterance.id == id]
        assert [utterance.revision for utterance in of_id] == list(range(len(of_id)))
        assert [utterance.is_final for utterance in of_id] == [False] * (len(of_id) - 1) + [True]
        ends = [word.span.end_s for utterance in of_id for word in utterance.words]
        assert max(ends) <= of_id[-1].span.end_s + WORD_S
    first = [u.text for u in scene.told if u.id == "TR_1/0" and "x" not in u.text]
    assert first[0] == "w0"  # what the first guess invented behind it, the second did not confirm
    assert len(first) >= 3


async def test_a_guess_at_the_pause_gives_the_final_words(
    vad: VadModel, speech: NDArray[np.float32]
) -> None:
    """Where the pause goes on, nothing is recognised twice: the guess had heard everything."""
    recogniser = TimedWords()
    scene = Scene(vad, recogniser)
    await scene.hear(speech)
    assert len(scene.finals()) >= 3
    assert not any(is_final for _, is_final in recogniser.asked)


async def test_without_guesses_the_same_pieces_are_final(
    vad: VadModel, speech: NDArray[np.float32]
) -> None:
    """Guesses change neither where speech is cut nor how often final words come."""
    with_guesses, without = Scene(vad, TimedWords()), Scene(vad, TimedWords(guesses=Guesses.NONE))
    await with_guesses.hear(speech)
    await without.hear(speech)
    starts = [[u.span.start_s for u in scene.finals()] for scene in (with_guesses, without)]
    assert starts[0] == starts[1]
    assert without.told == without.finals()


def counted(reason: str) -> float:
    """How many guesses Prometheus was told to be dropped for a reason."""
    labels = {"pass": "interim", "reason": reason}
    return REGISTRY.get_sample_value("earmark_speech_dropped_total", labels) or 0.0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(RecognitionError, "recogniser", id="failed"),
        pytest.param(RecognitionDropped, "overload", id="given-up-in-the-queue"),
    ],
)
async def test_failed_guesses_cost_nothing(
    vad: VadModel, speech: NDArray[np.float32], error: type[RecognitionError], reason: str
) -> None:
    """When guesses fail, the whole pieces are recognised, and nothing counts as unheard."""
    recogniser = TimedWords(fails_on_guesses=error)
    before = counted(reason)
    scene = Scene(vad, recogniser)
    await scene.hear(speech)
    assert scene.told == scene.finals()
    assert len(scene.told) >= 3
    assert scene.lost == []
    assert scene.listener.n_dropped_guesses == sum(not final for _, final in recogniser.asked)
    assert counted(reason) - before == scene.listener.n_dropped_guesses


async def test_what_was_agreed_on_stands_for_lost_words(
    vad: VadModel, speech: NDArray[np.float32]
) -> None:
    """When the final words are given up, the agreed ones are kept and the rest is a gap."""

    @dataclass
    class NoPauses(TimedWords):
        """Fails on guesses at whole pieces, so that the final words must be asked for."""

        async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
            if not ticket.is_final and scene.ear.is_pausing:
                raise RecognitionError("planned")
            return await super().transcribe(samples, ticket)

    scene = Scene(vad, NoPauses(drops=True))
    await scene.hear(speech[: 9 * SAMPLE_RATE_HZ])
    last_interim = [u for u in scene.told if u.id == "TR_1/0" and not u.is_final][-1]
    final = next(u for u in scene.finals() if u.id == "TR_1/0")
    assert (final.text, final.revision) == (last_interim.text, last_interim.revision + 1)
    span, reason = scene.lost[0]
    assert reason == "overload"
    assert span.start_s == final.span.end_s
    assert scene.listener.n_dropped_finals == len(scene.lost)


async def test_a_loop_is_not_understood(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """From where a recogniser went in circles, the piece counts as not heard."""
    scene = Scene(vad, TimedWords(guesses=Guesses.NONE, looped_from_s=1.0))
    await scene.hear(speech[: 9 * SAMPLE_RATE_HZ])
    span, reason = scene.lost[0]
    assert reason == "loop"
    assert 0.9 < span.start_s - scene.finals()[0].span.start_s < 1.1
    assert span.end_s > scene.finals()[0].span.end_s - WORD_S


async def test_no_promise_is_given_for_guesses(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """Interim words do not let time go by: only final ones do."""
    scene = Scene(vad, TimedWords())
    seen = 0
    for start in range(0, len(speech), CHUNK):
        await scene.listener.put(speech[start : start + CHUNK])
        await scene.listener.settled()
        if scene.told and not scene.told[-1].is_final:
            seen += 1
            assert scene.ear.heard_until_s <= scene.told[-1].span.start_s
    assert seen
    await scene.listener.close()


async def test_only_the_newest_guess_waits(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """While the recogniser stands still, guesses replace one another and are counted."""
    gate = asyncio.Event()
    recogniser = TimedWords(gate=gate)
    before = counted("overtaken")
    scene = Scene(vad, recogniser)
    for start in range(0, 5 * SAMPLE_RATE_HZ, CHUNK):
        await scene.listener.put(speech[start : start + CHUNK])
        await asyncio.sleep(0.001)
    while scene.ear.position_s < 4.9:
        await asyncio.sleep(0.01)
    assert len(recogniser.asked) == 1
    assert scene.listener.n_dropped_guesses >= 3
    assert counted("overtaken") - before == scene.listener.n_dropped_guesses
    gate.set()
    await scene.listener.settled()
    assert len(recogniser.asked) == 2  # the newest one
    await scene.listener.close()
