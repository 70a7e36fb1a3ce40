"""Whisper gives timed words for speech, and nothing for what is none."""

from pathlib import Path

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.errors import RecogniserError
from speech.models import find_model
from speech.recogniser import RecognisedWord
from speech.vad import LIVE as LIVE_VAD
from speech.vad import VadModel, speech_ranges
from speech.whisper import LIVE, FasterWhisper, drop_loops

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> FasterWhisper:
    """The live recogniser on its real weights."""
    folder = find_model("faster-whisper-tiny.en", tmp_path_factory.mktemp("models"))
    return FasterWhisper(folder, LIVE, name="faster-whisper-tiny.en")


@pytest.mark.model
def test_words_of_real_speech(recogniser: FasterWhisper) -> None:
    """The words are those that were said, in order, with times inside the samples."""
    samples = decode(AUDIO / "clean-agent.ogg").samples[0][: int(7.4 * SAMPLE_RATE_HZ)]
    words = recogniser.transcribe(samples)
    assert "this call is being recorded for quality" in " ".join(w.text for w in words)
    assert all(0 <= word.start_s < word.end_s <= 7.4 for word in words)
    starts = [word.start_s for word in words]
    assert starts == sorted(starts)
    assert all(word.confidence is not None and 0 <= word.confidence <= 1 for word in words)


@pytest.mark.model
@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_nothing_is_invented_behind_the_vad(recogniser: FasterWhisper, kind: str) -> None:
    """Whisper writes words into silence; speech detection before it keeps it from being asked."""
    n = 30 * SAMPLE_RATE_HZ
    samples = np.zeros(n, np.float32)
    if kind == "noise":
        samples = np.random.default_rng(3).normal(0, 0.02, n).astype(np.float32)
    vad = VadModel(find_model("silero-vad", Path("/nonexistent")))
    ranges = speech_ranges(samples, vad, LIVE_VAD)
    heard = [recogniser.transcribe(samples[r.start_sample : r.end_sample]) for r in ranges]
    assert heard == []


@pytest.mark.model
def test_too_short_for_a_word(recogniser: FasterWhisper) -> None:
    """A few samples are no speech and no error."""
    assert recogniser.transcribe(np.zeros(100, np.float32)) == ()


def test_a_folder_without_weights(tmp_path: Path) -> None:
    """Something that is no model is refused in one sentence."""
    (tmp_path / "model.bin").write_bytes(b"no weights")
    with pytest.raises(RecogniserError, match="cannot be loaded"):
        FasterWhisper(tmp_path, LIVE, name="broken")


def said(text: str) -> tuple[RecognisedWord, ...]:
    """Words a fifth of a second apart."""
    return tuple(
        RecognisedWord(text=word, start_s=n * 0.2, end_s=n * 0.2 + 0.2, confidence=None)
        for n, word in enumerate(text.split())
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("one two three", "one two three", id="ordinary"),
        pytest.param("one one one one two", "one one one one two", id="repeated-digits"),
        pytest.param("go " + "no " * 9 + "end", "go" + " no" * 8, id="one-word-loop"),
        pytest.param("a b " * 5 + "c", "a b", id="phrase-loop"),
        pytest.param("a b " * 4 + "c", ("a b " * 4 + "c"), id="said-four-times"),
        pytest.param("No, no. " * 9, "No, no. " * 4, id="punctuation-hides-no-loop"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_drop_loops(text: str, kept: str) -> None:
    """What a looping decoder wrote is cut; what people repeat is not."""
    assert " ".join(word.text for word in drop_loops(said(text))) == kept.strip()
