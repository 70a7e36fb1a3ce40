"""Whisper gives timed words for speech, and nothing for what is none."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.errors import RecogniserError
from speech.models import find_model
from speech.recogniser import RecognisedWord
from speech.vad import AUDIT as AUDIT_VAD
from speech.vad import LIVE as LIVE_VAD
from speech.vad import VadModel, VadOptions, speech_ranges
from speech.whisper import (
    AUDIT,
    LIVE,
    FasterWhisper,
    WhisperOptions,
    as_written,
    drop_loops,
)

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"
DEMO = Path(__file__).parents[2] / "earmark" / "demo_audio"


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
@pytest.mark.parametrize("kind", ["silence", "noise", "silence.ogg", "noise.ogg"])
def test_nothing_is_invented_behind_the_vad(recogniser: FasterWhisper, kind: str) -> None:
    """Whisper writes words into silence; speech detection before it keeps it from being asked."""
    n = 30 * SAMPLE_RATE_HZ
    samples = np.zeros(n, np.float32)
    if kind.endswith(".ogg"):
        samples = decode(AUDIO / kind).samples[0]
    elif kind == "noise":
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


@pytest.mark.model
@pytest.mark.parametrize(
    ("name", "from_s", "to_s", "expected"),
    [
        pytest.param("clean-agent.ogg", 16.5, 19.9, "10.30", id="a-time"),
        pytest.param("ssn-customer.ogg", 0.7, 8.5, "social security number", id="an-id"),
    ],
)
def test_fixtures(
    recogniser: FasterWhisper, name: str, from_s: float, to_s: float, expected: str
) -> None:
    """Known speech comes back; what is written together is one word."""
    samples = decode(AUDIO / name).samples[0]
    cut = samples[int(from_s * SAMPLE_RATE_HZ) : int(to_s * SAMPLE_RATE_HZ)]
    words = recogniser.transcribe(cut)
    assert expected in " ".join(word.text for word in words)
    assert all(0 <= word.start_s < word.end_s <= to_s - from_s for word in words)


@pytest.mark.model
@pytest.mark.parametrize(
    ("model_id", "options", "vad_options"),
    [
        pytest.param("faster-whisper-tiny.en", LIVE, LIVE_VAD, id="live"),
        pytest.param("faster-whisper-base", AUDIT, AUDIT_VAD, id="audit"),
    ],
)
def test_the_demo_call_is_heard(
    model_id: str, options: WhisperOptions, vad_options: VadOptions, tmp_path: Path
) -> None:
    """Both presets find the forbidden phrase word by word and all digits of the card."""
    vad = VadModel(find_model("silero-vad", tmp_path))
    recogniser = FasterWhisper(find_model(model_id, tmp_path), options, name=model_id)
    said = {}
    for who in ("agent", "customer"):
        samples = decode(DEMO / f"{who}.ogg").samples[0]
        pieces = speech_ranges(samples, vad, vad_options)
        words = [
            w for p in pieces for w in recogniser.transcribe(samples[p.start_sample : p.end_sample])
        ]
        said[who] = " ".join(word.text for word in words)
    recogniser.close()
    assert "guaranteed returns, so you cannot lose" in said["agent"]
    assert re.sub(r"\D", "", said["customer"]) == "4539148803436467"


def foreign(*words: str) -> list[Any]:
    """Words as faster-whisper gives them, half a second each."""
    return [
        SimpleNamespace(word=word, start=n * 0.5, end=n * 0.5 + 0.5, probability=0.9 - n / 10)
        for n, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        pytest.param(
            [foreign(" at", " 10", ".30.")], [("at", 0.0, 0.5), ("10.30.", 0.5, 1.5)], id="time"
        ),
        pytest.param([foreign(" 4", "-5", "-3")], [("4-5-3", 0.0, 1.5)], id="digits"),
        pytest.param(
            [foreign("-1"), foreign("-2")], [("-1", 0.0, 0.5), ("-2", 0.0, 0.5)], id="segments"
        ),
        pytest.param(
            [foreign("\u4f60", "\u597d")],
            [("\u4f60", 0.0, 0.5), ("\u597d", 0.5, 1.0)],
            id="no-spaces",
        ),
        pytest.param([foreign(" a", " ", " b")], [("a", 0.0, 0.5), ("b", 1.0, 1.5)], id="blank"),
        pytest.param(
            [foreign(" .", " a", " ...", " -", " %", " \u266a")],
            [("a", 0.5, 1.0), ("%", 2.0, 2.5)],
            id="marks",
        ),
        pytest.param([foreign(*[" ."] * 12)], [], id="loop-of-marks"),
        pytest.param([foreign(" 1", *["-1"] * 12)], [("1" + "-1" * 7, 0.0, 4.0)], id="loop"),
        pytest.param(
            [foreign(*[" w"] * 3, *[f" w{n}" for n in range(7)])],
            [*[("w", n / 2, n / 2 + 0.5) for n in range(3)]]
            + [(f"w{n}", min(1.5 + n / 2, 3.98), min(2.0 + n / 2, 4.0)) for n in range(7)],
            id="beyond-the-end",
        ),
    ],
)
def test_words_as_written(
    segments: list[list[Any]], expected: list[tuple[str, float, float]]
) -> None:
    """Pieces become words that lie inside the samples."""
    words = as_written(segments, 4.0)
    assert [(w.text, w.start_s, w.end_s) for w in words] == [
        (text, pytest.approx(start_s), pytest.approx(end_s)) for text, start_s, end_s in expected
    ]


def test_a_word_is_as_certain_as_its_worst_piece() -> None:
    """One doubtful digit makes the number doubtful."""
    (word,) = as_written([foreign(" 4", "-5", "-3")], 4.0)
    assert word.confidence == pytest.approx(0.7)
