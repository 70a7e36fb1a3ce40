"""Weights are the pinned ones, or they are not loaded."""

import socket
from pathlib import Path

import pytest

import speech.models
from speech.errors import ModelHashError, ModelMissingError, ModelStoreError
from speech.models import find_model, list_models, pull_model, registry


def test_models_come_from_packages(tmp_path: Path) -> None:
    """An installed package supplies a model without writing anything."""
    path = find_model("faster-whisper-tiny.en", tmp_path / "models", allow_hub=False)
    assert (path / "model.bin").is_file()
    assert not (tmp_path / "models").exists()


def test_parts_are_joined_once(tmp_path: Path) -> None:
    """A model that packages hold in pieces is joined in the models folder and found there."""
    path = find_model("faster-whisper-base", tmp_path, allow_hub=False)
    assert path == tmp_path / "faster-whisper-base"
    assert (path / "model.bin").stat().st_size == 145_217_532
    before = (path / "model.bin").stat().st_mtime_ns
    assert find_model("faster-whisper-base", tmp_path, allow_hub=False) == path
    assert (path / "model.bin").stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == ["faster-whisper-base"]


def test_the_models_folder_comes_first(tmp_path: Path) -> None:
    """A model that was pulled is used instead of the package's."""
    path = pull_model("silero-vad", tmp_path)
    assert find_model("silero-vad", tmp_path) == path == tmp_path / "silero-vad/silero_vad_v6.onnx"


def test_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    """One changed byte in the models folder stops everything, although a package has the model."""
    path = pull_model("silero-vad", tmp_path)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelHashError) as caught:
        find_model("silero-vad", tmp_path)
    assert str(path) in str(caught.value)
    assert "earmark models pull silero-vad" in str(caught.value)
    (status,) = (s for s in list_models(tmp_path) if s.model.id == "silero-vad")
    assert status.problem == str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A model folder without one of its files is not whole."""
    folder = pull_model("faster-whisper-tiny.en", tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelHashError, match=r"tokenizer\.json: missing"):
        find_model("faster-whisper-tiny.en", tmp_path)


def test_unknown_model(tmp_path: Path) -> None:
    """A model that nobody pinned is named, with those that are."""
    with pytest.raises(
        ModelMissingError, match="faster-whisper-huge: not in the registry"
    ) as caught:
        find_model("faster-whisper-huge", tmp_path)
    assert caught.value.exit_code == 3


def test_no_package_and_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither a package nor the network has the weights, one sentence says what to do."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(speech.models.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ModelMissingError, match="install the extra"):
        find_model("faster-whisper-tiny.en", tmp_path, allow_hub=False)
    with pytest.raises(ModelMissingError, match="the hub cannot be reached"):
        find_model("faster-whisper-tiny.en", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that cannot be written whole is not there at all."""

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(speech.models.os, "fsync", full)
    with pytest.raises(ModelStoreError, match="No space left on device"):
        find_model("faster-whisper-base", tmp_path, allow_hub=False)
    assert list(tmp_path.iterdir()) == []


def test_every_file_is_pinned() -> None:
    """The registry pins all files of all models."""
    for model in registry().values():
        assert model.files
        for file in model.files:
            assert len(file.sha256) == 64
            assert file.size_bytes > 0
