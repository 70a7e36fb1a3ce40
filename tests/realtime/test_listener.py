"""Samples become utterances in order, bounded, and nothing disappears without a word."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.clock import VirtualClock
from realtime.ear import Ear
from realtime.errors import RecognitionError
from realtime.listener import Listener
from realtime.recognition import Guesses
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


class ScriptedRecogniser:
    """Gives one word a piece of speech: its own number. May wait or fail by plan."""

    guesses = Guesses.NONE
    second = None

    def __init__(
        self, *, gate: asyncio.Event | None = None, fails_on: frozenset[int] = frozenset()
    ):
        self.n_asked = 0
        self._gate = gate
        self._fails_on = fails_on

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Recognise by plan."""
        number = self.n_asked
        self.n_asked += 1
        if self._gate is not None:
            await self._gate.wait()
        if number in self._fails_on:
            raise RecognitionError("planned")
        duration_s = len(samples) / SAMPLE_RATE_HZ
        return Recognition(
            words=(
                RecognisedWord(
                    text=f"w{number}", start_s=0.1, end_s=duration_s - 0.1, confidence=0.9
                ),
            )
        )


class Scene:
    """A session with one listener, and notes of what came out of it."""

    def __init__(self, vad: VadModel, recogniser: ScriptedRecogniser, *, anchor_s: float = 100.0):
        self.utterances: list[Utterance] = []
        self.lost: list[tuple[Span, str]] = []
        self.session = CallSession(
            room_sid="RM_1",
            engine=Engine(load_rulebook()),
            clock=VirtualClock(),
            sinks=(),
            on_utterance=self._on_utterance,
        )
        self.ear = Ear(speaker="ann", track_id="TR_1", anchor_s=anchor_s, model=vad, options=LIVE)
        self.listener = Listener(
            ear=self.ear, recogniser=recogniser, session=self.session, on_lost=self._on_lost
        )
        self.listener.start()

    async def _on_utterance(self, utterance: Utterance) -> None:
        self.utterances.append(utterance)

    async def _on_lost(self, ear: Ear, span: Span, reason: str) -> None:
        self.lost.append((span, reason))


@pytest.fixture(scope="module")
def vad(tmp_path_factory: pytest.TempPathFactory) -> VadModel:
    """Real speech detection."""
    return VadModel(find_model("silero-vad", tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """Half a minute of one speaker."""
    return decode(CLEAN).samples[0]


def pieces(samples: NDArray[np.float32], length: int) -> Iterator[NDArray[np.float32]]:
    """The samples in chunks."""
    for start in range(0, len(samples), length):
        yield samples[start : start + length]


async def test_utterances_are_on_the_call_clock(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """Each piece of speech becomes one utterance, in order, shifted by the track's anchor."""
    scene = Scene(vad, ScriptedRecogniser())
    for piece in pieces(speech, 1024):
        await scene.listener.put(piece)
    await scene.listener.close()
    assert len(scene.utterances) >= 3
    assert [u.text for u in scene.utterances] == [f"w{n}" for n in range(len(scene.utterances))]
    assert [u.id for u in scene.utterances] == [f"TR_1/{n}" for n in range(len(scene.utterances))]
    starts = [u.span.start_s for u in scene.utterances]
    assert starts == sorted(starts)
    assert starts[0] >= 100
    assert scene.utterances[-1].span.end_s <= 100 + len(speech) / SAMPLE_RATE_HZ
    assert scene.lost == []


async def test_overload_gives_up_the_oldest_and_says_so(
    vad: VadModel, speech: NDArray[np.float32]
) -> None:
    """A recogniser that stands still costs the oldest speech, counted, and no memory."""
    gate = asyncio.Event()
    scene = Scene(vad, ScriptedRecogniser(gate=gate))
    long_speech = np.concatenate([speech, speech, speech])
    for piece in pieces(long_speech, 16_000):
        await scene.listener.put(piece)
        await asyncio.sleep(0)
    while not scene.lost:
        await asyncio.sleep(0.01)
    gate.set()
    await scene.listener.close()
    assert {reason for _, reason in scene.lost} == {"overload"}
    assert scene.utterances
    lost_until_s = max(span.start_s for span, _ in scene.lost)
    assert scene.utterances[-1].span.start_s > lost_until_s


async def test_a_failed_recognition_is_a_gap(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """Speech that the recogniser failed on is reported, and what follows is still heard."""
    scene = Scene(vad, ScriptedRecogniser(fails_on=frozenset({1})))
    for piece in pieces(speech, 1024):
        await scene.listener.put(piece)
        await scene.listener.settled()
    await scene.listener.close()
    assert [reason for _, reason in scene.lost] == ["recogniser"]
    assert [u.text for u in scene.utterances[:2]] == ["w0", "w2"]


async def test_deadlines_wait_for_slow_words(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """While words are outstanding, the ear does not claim to have heard what comes after them."""
    gate = asyncio.Event()
    scene = Scene(vad, ScriptedRecogniser(gate=gate), anchor_s=0.0)
    first_second: Callable[[], float] = lambda: scene.ear.heard_until_s  # noqa: E731
    for piece in pieces(speech[: 12 * SAMPLE_RATE_HZ], 1024):
        await scene.listener.put(piece)
    while scene.ear.position_s < 11.9:
        await asyncio.sleep(0.01)
    stuck_s = first_second()
    assert stuck_s < 6
    gate.set()
    await scene.listener.settled()
    assert scene.ear.heard_until_s > stuck_s
    await scene.listener.close()
    assert scene.utterances[0].span.start_s >= stuck_s


async def test_a_broken_part_is_not_silent(vad: VadModel, speech: NDArray[np.float32]) -> None:
    """An unexpected failure comes out of `close` instead of stopping the listener unseen."""

    class Broken(ScriptedRecogniser):
        async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
            raise ZeroDivisionError

    scene = Scene(vad, Broken())

    async def listen() -> None:
        for piece in pieces(speech, 1024):
            await scene.listener.put(piece)
            await scene.listener.settled()

    with pytest.raises(ZeroDivisionError):
        await listen()
    with pytest.raises(ZeroDivisionError):
        await scene.listener.close()
