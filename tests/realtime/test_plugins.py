"""Any livekit-agents STT can take the built-in recogniser's place."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from realtime import plugins
from realtime.errors import PluginError, RecognitionError
from realtime.plugins import PluginRecogniser, load_plugin
from realtime.recognition import Guesses
from realtime.replay import Replay, Voice
from realtime.ticket import Ticket
from rules.loader import load_rulebook
from rules.types import Utterance
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.models import find_model
from speech.recogniser import Recognition
from speech.vad import VadModel
from tests.realtime.scripted_stt import Script, StreamingStt, WholeStt
from tests.realtime.test_session import Notes

CLEAN = Path(__file__).parents[1] / "fixtures" / "audio" / "clean-agent.ogg"
WORDS = (("Guaranteed", 0.2, 0.8), ("returns.", 0.9, 1.5), ("Later.", 2.1, 2.6))


def ticket(*, final: bool, piece: int = 0) -> Ticket:
    """A ticket of one track."""
    return Ticket(lane="TR_1", is_final=final, piece=piece)


async def heard(recogniser: PluginRecogniser, duration_s: float, of: Ticket) -> Recognition:
    """What is heard in so much sound."""
    samples = np.zeros(int(duration_s * SAMPLE_RATE_HZ), np.float32)
    return await recogniser.transcribe(samples, of)


def rows(recognition: Recognition) -> list[tuple[str, float, float]]:
    """Words with their times."""
    return [(w.text, round(w.start_s, 2), round(w.end_s, 2)) for w in recognition.words]


async def test_a_plugin_that_hears_whole_pieces() -> None:
    """It is asked about whole pieces; its words keep their times, within the piece."""
    script = Script(words=(*WORDS[:2], ("Late", 1.9, 9.0)))
    recogniser = PluginRecogniser(WholeStt(script))
    assert recogniser.guesses is Guesses.NONE
    got = await heard(recogniser, 2.0, ticket(final=True))
    assert rows(got) == [*WORDS[:2], ("Late", 1.9, 2.0)]
    assert script.heard_s == [2.0]
    await recogniser.aclose()


@pytest.mark.parametrize("kind", [WholeStt, StreamingStt])
async def test_words_without_times(kind: type[WholeStt] | type[StreamingStt]) -> None:
    """Words of which the plugin gives no times are spread over the piece."""
    recogniser = PluginRecogniser(kind(Script(words=WORDS[:2], is_timed=False)))
    got = rows(await heard(recogniser, 1.9, ticket(final=True)))
    assert got == [("Guaranteed", 0.0, 1.0), ("returns.", 1.1, 1.9)]
    await recogniser.aclose()


async def test_a_plugin_that_streams() -> None:
    """Growing speech goes into one stream a piece; interim words come at once, final ones last."""
    plugin = StreamingStt(script := Script(words=WORDS))
    recogniser = PluginRecogniser(plugin)
    assert recogniser.guesses is Guesses.UNSURE
    assert rows(await heard(recogniser, 1.0, ticket(final=False))) == []  # nothing came yet
    await asyncio.sleep(0.05)
    assert rows(await heard(recogniser, 1.2, ticket(final=False))) == [
        WORDS[0],
        ("returns.", 0.9, 1.2),
    ]
    assert rows(await heard(recogniser, 2.0, ticket(final=True))) == list(WORDS[:2])
    assert script.heard_s == [pytest.approx(2.0)]
    assert plugin.n_open == 0
    await recogniser.aclose()


async def test_a_piece_that_is_cut_shorter() -> None:
    """What the plugin heard behind the cut belongs to the next piece, which has its own stream."""
    plugin = StreamingStt(Script(words=WORDS))
    recogniser = PluginRecogniser(plugin)
    await heard(recogniser, 3.0, ticket(final=False))
    assert rows(await heard(recogniser, 2.0, ticket(final=True))) == list(WORDS[:2])
    await heard(recogniser, 1.0, ticket(final=False, piece=1))
    await heard(recogniser, 1.0, ticket(final=False, piece=2))  # piece 1 was given up
    assert plugin.n_open == 1
    await recogniser.aclose()
    assert plugin.n_open == 0


@pytest.mark.parametrize("kind", [WholeStt, StreamingStt])
async def test_a_plugin_that_fails(
    kind: type[WholeStt] | type[StreamingStt], caplog: pytest.LogCaptureFixture
) -> None:
    """A broken service is an unheard piece after a second try, and what it said goes nowhere."""
    script = Script(fails=True)
    recogniser = PluginRecogniser(kind(script))
    with pytest.raises(RecognitionError) as caught:
        await heard(recogniser, 1.0, ticket(final=True))
    assert script.n_failed == 2
    assert "personal" not in str(caught.value) + caplog.text
    await recogniser.aclose()


@pytest.mark.parametrize("kind", [WholeStt, StreamingStt])
async def test_a_plugin_that_failed_once(kind: type[WholeStt] | type[StreamingStt]) -> None:
    """A piece of which the first try failed is heard by the second."""
    recogniser = PluginRecogniser(kind(Script(words=WORDS[:2], fails=True, recovers=True)))
    got = await heard(recogniser, 2.0, ticket(final=True))
    assert rows(got) == list(WORDS[:2])
    await recogniser.aclose()


async def test_a_plugin_that_does_not_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last word is not waited for without end."""
    monkeypatch.setattr(plugins, "_FINAL_TIMEOUT_S", 0.05)
    plugin = StreamingStt(Script(words=WORDS, never_ends=True))
    recogniser = PluginRecogniser(plugin)
    with pytest.raises(RecognitionError, match="in time"):
        await heard(recogniser, 1.0, ticket(final=True))
    assert plugin.n_open == 0
    await recogniser.aclose()


@pytest.mark.parametrize("kind", [WholeStt, StreamingStt])
async def test_a_call_through_a_plugin(
    kind: type[WholeStt] | type[StreamingStt], tmp_path: Path
) -> None:
    """The same ears, rules and alerts; a plugin that streams raises alerts within the sentence."""
    notes = Notes()
    told: list[Utterance] = []

    async def note(utterance: Utterance) -> None:
        told.append(utterance)

    recogniser = PluginRecogniser(kind(Script(words=WORDS[:2])))
    voice = Voice(speaker="ann", samples=decode(CLEAN).samples[0][: 8 * SAMPLE_RATE_HZ])
    replay = Replay(
        voices=(voice,),
        rulebook=load_rulebook(),
        vad=VadModel(find_model("silero-vad", tmp_path)),
        recogniser=recogniser,
        sinks=(notes,),
        on_utterance=note,
        on_interim=note,
    )
    await replay.run(speed_ratio=20.0)
    await recogniser.aclose()
    assert replay.lost == []
    states = [
        alert.state.value
        for alert in notes.alerts
        if alert.hit.rule_id == "conduct.promissory-claim"
    ]
    assert states == (["confirmed"] if kind is WholeStt else ["provisional", "confirmed"])
    assert all(u.text == "Guaranteed returns." for u in told if u.is_final)
    assert any(not u.is_final for u in told) is (kind is StreamingStt)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("no_such_stt", "install livekit-plugins-no-such-stt", id="not-installed"),
        pytest.param("no.such:Stt", "see that it can be imported", id="no-module"),
        pytest.param("tests.realtime.scripted_stt:Nobody", "has no Nobody", id="no-class"),
        pytest.param("collections:OrderedDict", "is no livekit-agents STT", id="something-else"),
        pytest.param("tests.realtime.scripted_stt:NeedsKey", "(ValueError)", id="refuses"),
    ],
)
def test_a_plugin_that_cannot_be_had(name: str, says: str) -> None:
    """One sentence says what is wrong, without what the plugin itself said."""
    with pytest.raises(PluginError) as caught:
        load_plugin(name)
    assert str(caught.value).startswith("setting live_stt: ")
    assert says in str(caught.value)
    assert "sk-123" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_plugin_by_module_and_class() -> None:
    """A class is found by its name."""
    assert isinstance(load_plugin("tests.realtime.scripted_stt:WholeStt"), WholeStt)
