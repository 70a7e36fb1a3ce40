"""What two guesses would raise alike is raised, whatever they make of the words before it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.alerts import Alert
from realtime.clock import VirtualClock
from realtime.ear import Ear, Segment
from realtime.listener import Listener
from realtime.recognition import AsyncRecogniser, Guesses
from realtime.session import CallSession
from realtime.suspicion import Suspicions
from realtime.ticket import Ticket
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import HitState, Span, Utterance
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.models import find_model
from speech.recogniser import RecognisedWord, Recognition
from speech.vad import LIVE, VadModel
from tests.realtime.observed_room import RULES

CLEAN = Path(__file__).parents[1] / "fixtures" / "audio" / "clean-agent.ogg"
WORD_S = 0.5
CHUNK = 1024
Pass = tuple[float, str]  # seconds that were heard, and what was written


@pytest.fixture(scope="module")
def vad(tmp_path_factory: pytest.TempPathFactory) -> VadModel:
    """Real speech detection."""
    return VadModel(find_model("silero-vad", tmp_path_factory.mktemp("models")))


class Scene:
    """A session whose rule is about a blue heron, and an ear."""

    def __init__(self, vad: VadModel, folder: Path) -> None:
        rules = folder / "heron.yaml"
        rules.write_text(RULES)
        self.alerts: list[Alert] = []
        self.session = CallSession(
            room_sid="RM_1",
            engine=Engine(load_rulebook((rules,))),
            clock=VirtualClock(),
            sinks=(self,),
        )
        self.ear = Ear(speaker="ann", track_id="TR_1", anchor_s=0.0, model=vad, options=LIVE)

    async def publish(self, alert: Alert) -> None:
        """Take an alert."""
        self.alerts.append(alert)


def heard(text: str) -> tuple[RecognisedWord, ...]:
    """Words half a second apart."""
    return tuple(
        RecognisedWord(text=word, start_s=n * WORD_S, end_s=n * WORD_S + 0.4, confidence=0.9)
        for n, word in enumerate(text.split())
    )


def piece(duration_s: float, index: int = 0) -> Segment:
    """A piece of speech as far as it has come."""
    samples = np.zeros(int(duration_s * SAMPLE_RATE_HZ), np.float32)
    return Segment(index=index, start_sample=0, samples=samples)


@pytest.mark.parametrize(
    ("passes", "told"),
    [
        pytest.param([(1.6, "a blue heron")], [""], id="one-pass-says-nothing"),
        pytest.param(
            [(1.6, "a blue heron"), (2.0, "uh blue heron flew")],
            ["", "uh blue heron"],
            id="seen-twice-behind-other-words",
        ),
        pytest.param(
            [(1.6, "a blue heron"), (1.8, "a blue hair on"), (2.0, "oh blue heron")],
            ["", "", "oh blue heron"],
            id="not-in-every-pass",
        ),
        pytest.param(
            [(1.6, "a blue heron"), (4.2, "a b c d e f blue heron")],
            ["", ""],
            id="at-another-place",
        ),
        pytest.param(
            [(3.0, "uh blue heron flew off now")],
            ["uh blue heron"],
            id="well-before-the-end-of-the-sound",
        ),
        pytest.param(
            [(3.0, "a blue heron flew off now"), (3.5, "a blue heron flew off now there")],
            ["a blue heron", ""],
            id="nothing-twice",
        ),
    ],
)
async def test_suspicions(
    vad: VadModel, tmp_path: Path, passes: list[Pass], told: list[str]
) -> None:
    """What is told are the words up to the hit, as the newest pass writes them."""
    scene = Scene(vad, tmp_path)
    suspicions = Suspicions(scene.ear, scene.session)
    said: list[str] = []
    for duration_s, text in passes:
        utterance = suspicions.hear(piece(duration_s), heard(text))
        said.append("" if utterance is None else utterance.text)
        if utterance is not None:
            await scene.session.utterance(utterance)
    assert said == told
    assert len(scene.alerts) == sum(map(bool, told))


async def test_pieces_are_no_witness_of_one_another(vad: VadModel, tmp_path: Path) -> None:
    """What was suspected of one piece of speech says nothing about the next."""
    scene = Scene(vad, tmp_path)
    suspicions = Suspicions(scene.ear, scene.session)
    assert suspicions.hear(piece(1.6), heard("a blue heron")) is None
    assert suspicions.is_open(piece(1.6))
    assert not suspicions.is_open(piece(1.6, index=1))
    assert suspicions.hear(piece(1.6, index=1), heard("a blue heron")) is None


@dataclass
class Fickle:
    """Writes another first word each time, then a blue heron."""

    guesses: Guesses = Guesses.SURE
    second: AsyncRecogniser | None = None
    asked: list[int] = field(default_factory=list)

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Recognise by plan."""
        self.asked.append(len(samples))
        n_words = int(len(samples) / SAMPLE_RATE_HZ / WORD_S)
        words = [f"w{len(samples)}", "blue", "heron", *"abcdefghijklmnop"][:n_words]
        return Recognition(words=heard(" ".join(words)))


async def test_a_suspicion_is_checked_at_once(vad: VadModel, tmp_path: Path) -> None:
    """The next guess comes sooner, and the hit is raised, and confirmed by the final words."""
    scene = Scene(vad, tmp_path)
    recogniser = Fickle()

    async def on_lost(ear: Ear, span: Span, reason: str) -> None:
        raise AssertionError(reason)

    listener = Listener(
        ear=scene.ear, recogniser=recogniser, session=scene.session, on_lost=on_lost
    )
    listener.start()
    samples = decode(CLEAN).samples[0]
    n_asked: int | None = None
    for start in range(0, 9 * SAMPLE_RATE_HZ, CHUNK):
        await listener.put(samples[start : start + CHUNK])
        await listener.settled()
        if scene.alerts and n_asked is None:
            n_asked = len(recogniser.asked)
    await listener.close()
    assert n_asked is not None
    before, suspected, checked = recogniser.asked[n_asked - 3 : n_asked]
    assert checked - suspected < suspected - before
    first = [alert.hit for alert in scene.alerts if alert.hit.id == scene.alerts[0].hit.id]
    assert [hit.state for hit in first] == [HitState.PROVISIONAL, HitState.CONFIRMED]


async def test_nobody_is_told_what_was_only_tried(vad: VadModel, tmp_path: Path) -> None:
    """To ask what would be raised changes nothing: the same words still raise it."""
    scene = Scene(vad, tmp_path)
    said: Utterance | None = scene.ear.guessed(piece(2.0), heard("a blue heron"))
    assert said is not None
    assert len(scene.session.would_raise(said)) == 1
    assert scene.alerts == []
    assert len(scene.session.would_raise(said)) == 1
