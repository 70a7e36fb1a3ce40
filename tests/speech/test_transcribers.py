"""Transcribers by name, and what is said where one of them cannot be had."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from speech.errors import EngineMissingError, RecogniserError, UnknownModelError
from speech.models import registry
from speech.transcribers import load_transcriber, missing_package, transcriber, transcriber_ids
from speech.whisper import AUDIT


def test_both_engines_know_the_pinned_weights() -> None:
    """Each model of speech to text can be run by either engine, on the same bytes."""
    assert transcriber_ids() == (
        "faster-whisper-base",
        "faster-whisper-tiny.en",
        "openai-whisper-base",
        "openai-whisper-tiny.en",
    )
    ours, theirs = transcriber("faster-whisper-base"), transcriber("openai-whisper-base")
    assert (ours.engine, theirs.engine) == ("faster-whisper", "openai-whisper")
    assert ours.weights == theirs.weights
    assert ours.weights["model.bin"] == registry()["faster-whisper-base"].files[0].sha256


@pytest.mark.parametrize("name", ["whisper-large", "/nonexistent/model", "", "silero-vad"])
def test_an_unknown_name(name: str) -> None:
    """What is neither an id nor a path is refused, and the ids are named."""
    with pytest.raises(UnknownModelError, match="faster-whisper-base") as caught:
        transcriber(name)
    assert caught.value.exit_code == 2


def test_weights_of_ones_own(tmp_path: Path) -> None:
    """A folder is faster-whisper's, a file openai-whisper's; both are known by their bytes."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"abc")
    (tmp_path / "mine.pt").write_bytes(b"abc")
    ours, theirs = transcriber(str(folder)), transcriber(str(tmp_path / "mine.pt"))
    assert (ours.id, theirs.id) == ("faster-whisper mine", "openai-whisper mine")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (ours.weights, theirs.weights) == ({"model.bin": abc}, {"mine.pt": abc})


@pytest.mark.parametrize("name", ["mine", "mine.pt"])
def test_bytes_that_are_no_weights(tmp_path: Path, name: str) -> None:
    """A file that is no model is refused in one sentence, and nothing of it is run."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.bin").write_bytes(b"no weights")
    (tmp_path / "mine.pt").write_bytes(b"no weights")
    with pytest.raises(RecogniserError, match="weights"):
        load_transcriber(transcriber(str(tmp_path / name)), AUDIT, models_dir=tmp_path)


def test_an_engine_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra there is one sentence that says which, and exit code 3."""
    find = importlib.util.find_spec

    def without(name: str, *args: Any) -> Any:
        return None if name == "whisper" else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert missing_package("faster-whisper") is None
    with pytest.raises(EngineMissingError, match=r"earmark\[offline\]") as caught:
        load_transcriber(transcriber("openai-whisper-base"), AUDIT, models_dir=tmp_path)
    assert caught.value.exit_code == 3


def test_a_gpu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that was asked for is not silently replaced."""
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(EngineMissingError, match="no GPU"):
        load_transcriber(
            transcriber("faster-whisper-base"), AUDIT, models_dir=tmp_path, device="cuda"
        )
