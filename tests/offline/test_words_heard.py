"""What the audit hears, with its default models: the words of clean speech, and none in noise."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from offline.engines import DEFAULT_TRANSCRIBER, Loaded, LocalEngines
from offline.transcript import transcribe
from speech.audio import decode
from speech.inventions import is_invented
from tests.speech.noises import LEVELS_RMS, NOISES

FIXTURES = Path(__file__).parents[1] / "fixtures"
# Audio, its script, and who of the script is heard.
CLEAN = [
    ("clean-agent", "clean", "agent"),
    ("clean-customer", "clean", "customer"),
    ("novel-reader", "novel-reader", None),
    ("letters-caller", "letters-caller", None),
]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The audit's default models."""
    return LocalEngines(
        transcriber=DEFAULT_TRANSCRIBER,
        models_dir=tmp_path_factory.mktemp("models"),
        cpu_threads=2,
        device="cpu",
    ).load()


def n_edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words that must be put in, left out or changed to make one text of the other."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, start=1):
        above, row = row, [number]
        for column, other in enumerate(heard, start=1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (word != other)))
    return row[-1]


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b", "a x b", 1), ("a b", "b a", 2)],
)
def test_edits_are_counted(said: str, heard: str, expected: int) -> None:
    """The measure measures."""
    assert n_edits(said.split(), heard.split()) == expected


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # whisper leaves them open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_word_error_rate_of_clean_speech(engines: Loaded) -> None:
    """At most two words in a hundred are wrong, by Whisper's own idea of what is the same word."""
    normalizers = pytest.importorskip("whisper.normalizers")
    normal = normalizers.EnglishTextNormalizer()
    n_words = n_wrong = 0
    for audio, script, who in CLEAN:
        lines = json.loads((FIXTURES / f"{script}.json").read_text(encoding="utf-8"))["lines"]
        said = normal(" ".join(x["text"] for x in lines if who in {None, x["speaker"]})).split()
        heard = transcribe(decode(FIXTURES / "audio" / f"{audio}.ogg").samples[0], engines)
        text = " ".join(word.text for piece in heard.pieces for word in piece.words)
        assert not any(piece.is_failed for piece in heard.pieces)
        n_words += len(said)
        n_wrong += n_edits(said, normal(text).split())
    assert n_words > 250
    assert n_wrong / n_words <= 0.02


@pytest.mark.model
def test_words_lie_where_they_are_said(engines: Loaded) -> None:
    """Words that come joined in one window go back behind the silence between, within speech."""
    heard = transcribe(decode(FIXTURES / "audio" / "clean-agent.ogg").samples[0], engines)
    found = {
        re.sub(r"\W", "", word.text): (word.start_s, word.end_s)
        for piece in heard.pieces
        for word in piece.words
    }
    # By the script, and by ear: "Hello" at 0.8 s, "sorry" after 15 s, "shipping" after 28 s.
    assert found["Hello"][0] == pytest.approx(0.8, abs=0.3)
    assert found["sorry"][0] == pytest.approx(15.2, abs=0.3)
    assert found["shipping"][0] == pytest.approx(28.1, abs=0.4)
    for piece in heard.pieces:
        times = [(word.start_s, word.end_s) for word in piece.words]
        assert times == sorted(times)
        assert all(piece.start_s <= a < b <= piece.end_s for a, b in times)


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("name", NOISES)
def test_nothing_is_heard_in_noise(engines: Loaded, name: str) -> None:
    """A minute of any noise, at any level, has no word in it."""
    for level in LEVELS_RMS:
        sound = np.clip(NOISES[name](60.0) * level, -1, 1).astype(np.float32)
        heard = transcribe(sound, engines)
        assert [len(piece.words) for piece in heard.pieces] == [0] * len(heard.pieces)


@pytest.mark.model
@pytest.mark.slow
def test_noise_that_passes_for_speech(engines: Loaded) -> None:
    """Should speech detection err, what the recogniser writes into noise is hardly believed."""
    windows = [
        np.clip(noise(10.0) * level, -1, 1).astype(np.float32)
        for noise in NOISES.values()
        for level in (0.02, 0.1)
    ]
    believed = [
        heard.words
        for window in windows
        for heard in engines.recogniser.recognise([window])
        if heard.words and not is_invented(heard.words)
    ]
    assert len(believed) <= len(windows) // 8
