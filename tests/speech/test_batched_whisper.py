"""The live recogniser: short windows, several pieces together, and nothing invented."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.batched_whisper import BatchedWhisper, Window
from speech.errors import RecogniserError
from speech.models import find_model
from speech.vad import LIVE as LIVE_VAD
from speech.vad import VadModel, speech_ranges
from speech.whisper import LIVE, max_new_tokens

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"
DEMO = Path(__file__).parents[2] / "earmark" / "demo_audio"


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> BatchedWhisper:
    """The live recogniser on its real weights."""
    folder = find_model("faster-whisper-tiny.en", tmp_path_factory.mktemp("models"))
    return BatchedWhisper(folder, LIVE, name="faster-whisper-tiny.en")


def pieces(path: Path) -> list[NDArray[np.float32]]:
    """The speech in a file."""
    samples = decode(path).samples[0]
    vad = VadModel(find_model("silero-vad", Path("/nonexistent")))
    return [
        samples[found.start_sample : found.end_sample]
        for found in speech_ranges(samples, vad, LIVE_VAD)
    ]


@pytest.mark.model
def test_pieces_recognised_together(recogniser: BatchedWhisper) -> None:
    """Each piece has its own words, in order, with times that go forward within the piece."""
    together = [*pieces(AUDIO / "clean-agent.ogg"), np.zeros(100, np.float32)]
    heard = recogniser.recognise(together)
    texts = [" ".join(word.text for word in each.words) for each in heard]
    assert "this call is being recorded for quality" in texts[0]
    assert heard[-1].words == ()
    for piece, each in zip(together, heard, strict=True):
        starts = [word.start_s for word in each.words]
        assert starts == sorted(starts)
        duration_s = len(piece) / SAMPLE_RATE_HZ
        assert all(0 <= word.start_s < word.end_s <= duration_s for word in each.words)
        certain = [word.confidence for word in each.words]
        assert all(confidence is not None and 0 <= confidence <= 1 for confidence in certain)


@pytest.mark.model
def test_the_demo_call_is_heard(recogniser: BatchedWhisper) -> None:
    """The forbidden phrase comes back word by word, and all digits of the card."""
    said = {
        who: " ".join(
            word.text
            for each in map(recogniser.transcribe, pieces(DEMO / f"{who}.ogg"))
            for word in each
        )
        for who in ("agent", "customer")
    }
    assert "guaranteed returns, so you cannot lose" in said["agent"]
    assert re.sub(r"\D", "", said["customer"]) == "4539148803436467"


@pytest.mark.model
def test_loops_end(recogniser: BatchedWhisper) -> None:
    """Fifteen ones in a row make Whisper loop; no more is written than could be said."""
    for piece in pieces(AUDIO / "repeated-customer.ogg"):
        heard = recogniser.recognise([piece])[0]
        text = " ".join(word.text for word in heard.words)
        assert len(re.findall(r"\w", text)) <= 4 * max_new_tokens(len(piece) / SAMPLE_RATE_HZ)
        ones = re.findall(r"\b(?:1|one)\b", text.casefold())
        assert len(ones) <= 16
        if heard.looped_from_s is not None:
            assert heard.words[-1].end_s == heard.looped_from_s


@pytest.mark.model
def test_noise_that_reaches_it(recogniser: BatchedWhisper) -> None:
    """Even without speech detection before it, hardly a word is written into noise."""
    heard = [
        word.text
        for seed in range(6)
        for word in recogniser.transcribe(
            np.random.default_rng(seed).normal(0, 0.02, 5 * SAMPLE_RATE_HZ).astype(np.float32)
        )
    ]
    assert len(heard) <= 2


@pytest.mark.model
def test_too_long_for_one_window(recogniser: BatchedWhisper) -> None:
    """A piece that Whisper could only hear in part is refused."""
    with pytest.raises(RecogniserError, match="thirty seconds"):
        recogniser.recognise([np.zeros(31 * SAMPLE_RATE_HZ, np.float32)])


def test_a_folder_without_weights(tmp_path: Path) -> None:
    """Something that is no model is refused in one sentence."""
    (tmp_path / "model.bin").write_bytes(b"no weights")
    with pytest.raises(RecogniserError, match="cannot be loaded"):
        BatchedWhisper(tmp_path, LIVE, name="broken")


@pytest.mark.parametrize(
    ("duration_s", "n_frames"),
    [(0.5, 1000), (7.0, 1000), (7.005, 1000), (8.0, 1100), (8.017, 1100), (26.9, 2990), (30, 3000)],
)
def test_window(duration_s: float, n_frames: int) -> None:
    """A window leaves silence behind the speech, and has the frames that the encoder takes."""
    assert Window().n_frames(duration_s) == n_frames
