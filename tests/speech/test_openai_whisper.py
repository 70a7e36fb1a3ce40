"""openai-whisper on real weights, rebuilt from those of faster-whisper."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.ct2_weights import checkpoint, read_variables
from speech.errors import RecogniserError
from speech.models import find_model
from speech.recogniser import WindowRecogniser
from speech.transcribers import load_transcriber, transcriber
from speech.whisper import AUDIT

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def loaded(engine: str, models_dir: Path) -> WindowRecogniser:
    """An engine on the weights of tiny.en."""
    return load_transcriber(
        transcriber(f"{engine}-tiny.en"), AUDIT, models_dir=models_dir, device="cpu", cpu_threads=1
    )


def cut(name: str, from_s: float, to_s: float) -> NDArray[np.float32]:
    """A part of a fixture."""
    samples = decode(AUDIO / name).samples[0]
    return samples[int(from_s * SAMPLE_RATE_HZ) : int(to_s * SAMPLE_RATE_HZ)]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # whisper leaves them open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_both_engines_write_the_same(models_dir: Path) -> None:
    """The same weights give the same words at nearly the same times, whichever engine runs them.

    Two words of a window may differ: faster-whisper calculates with eight bits.
    """
    windows = [
        cut("clean-agent.ogg", 0.6, 7.2),
        cut("clean-customer.ogg", 8.4, 14.0),
        np.zeros(100, np.float32),
    ]
    ours = loaded("faster-whisper", models_dir).recognise(windows)
    theirs = loaded("openai-whisper", models_dir).recognise(windows)
    assert ours[2].words == theirs[2].words == ()
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        plain = [[re.sub(r"\W", "", w.text).casefold() for w in each.words] for each in (a, b)]
        assert len(plain[0]) == len(plain[1]) > 10
        assert sum(x != y for x, y in zip(*plain, strict=True)) <= 2
        for x, y in zip(a.words, b.words, strict=True):
            assert abs(x.start_s - y.start_s) < 0.3
            assert y.confidence is not None
            assert 0 <= y.confidence <= 1


@pytest.mark.model
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # whisper leaves them open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_window_that_is_too_long(models_dir: Path) -> None:
    """A window that Whisper could only hear in part is refused."""
    with pytest.raises(RecogniserError, match="thirty seconds"):
        loaded("openai-whisper", models_dir).recognise([np.zeros(31 * SAMPLE_RATE_HZ, np.float32)])


@pytest.mark.model
def test_the_layout(models_dir: Path) -> None:
    """Fused layers are taken apart into queries, keys without an offset, and values."""
    variables = read_variables(find_model("faster-whisper-tiny.en", models_dir) / "model.bin")
    made = checkpoint(variables)
    assert made["dims"] == {
        "n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 384, "n_audio_head": 6,
        "n_audio_layer": 4, "n_vocab": 51864, "n_text_ctx": 448, "n_text_state": 384,
        "n_text_head": 6, "n_text_layer": 4,
    }  # fmt: skip
    state = made["model_state_dict"]
    fused = variables["encoder/layer_0/self_attention/linear_0/weight"]
    parts = [state[f"encoder.blocks.0.attn.{n}.weight"] for n in ("query", "key", "value")]
    assert np.array_equal(np.concatenate(parts), fused.astype(np.float32))
    assert not any(name.endswith("key.bias") for name in state)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 64, id="zeros"),
        pytest.param(struct.pack("<IH", 6, 12) + b"WhisperSpec\x00" + b"\xff" * 30, id="broken"),
    ],
)
def test_files_that_are_no_weights(tmp_path: Path, data: bytes) -> None:
    """Anything but CTranslate2's weights of Whisper is refused in one sentence."""
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(RecogniserError, match="no weights of Whisper"):
        read_variables(tmp_path / "model.bin")


def test_rounded_weights() -> None:
    """Integers without their scale are no weights for openai-whisper."""
    variables = {
        "encoder/position_encodings/encodings": np.zeros((3, 2), np.float16),
        "decoder/position_encodings/encodings": np.zeros((3, 2), np.float16),
        "encoder/conv1/weight": np.zeros((2, 80, 3), np.float16),
        "decoder/embeddings/weight": np.zeros((5, 2), np.int8),
        "encoder/num_heads": np.array(1, np.int16),
        "decoder/num_heads": np.array(1, np.int16),
    }
    with pytest.raises(RecogniserError, match="float16"):
        checkpoint(variables)
