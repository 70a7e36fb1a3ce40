"""Transcribers by name: which engine, which weights, on which device."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from speech.batched_whisper import BatchedWhisper
from speech.device import Device, Place, load_cublas, on_device, torch_place
from speech.errors import EngineMissingError, UnknownModelError
from speech.models import find_model, registry
from speech.openai_whisper import (
    OpenAIWhisper,
    alignment_heads_of,
    read_checkpoint,
    weights_of_faster_whisper,
)
from speech.recogniser import WindowRecogniser
from speech.whisper import WhisperOptions

Engine = Literal["faster-whisper", "openai-whisper"]

_KIND = "speech to text"
_PINNED: Engine = "faster-whisper"  # the engine that the registry's weights are made for
# Rounded to integers a model is as good on a processor, and twice as fast; a GPU has no use for it.
_ARITHMETIC = {"cpu": "int8", "cuda": "float16"}
_BATCH_SIZE = {"cpu": 4, "cuda": 16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """What turns speech into words, not loaded yet."""

    id: str  # as reports and fingerprints name it
    engine: Engine
    pinned: str | None = None  # of the registry
    path: Path | None = None  # weights of one's own: a folder or a file

    @property
    def weights(self) -> Mapping[str, str]:
        """Sha256 of every file of the weights, hex. One's own are read whole for it."""
        if self.pinned is not None:
            return {file.name: file.sha256 for file in registry()[self.pinned].files}
        assert self.path is not None  # noqa: S101 - narrows for the type checker
        files = [self.path] if self.path.is_file() else sorted(self.path.iterdir())
        return {file.name: _sha256(file) for file in files if file.is_file()}


def transcriber_ids() -> tuple[str, ...]:
    """Ids of all transcribers whose weights are pinned."""
    pinned = [model.id for model in registry().values() if model.kind == _KIND]
    others = [id_.replace(_PINNED, "openai-whisper", 1) for id_ in pinned]
    return tuple(sorted([*pinned, *others]))


def transcriber(name: str) -> Transcriber:
    """Look up a transcriber.

    Args:
        name: An id, or a path of one's own weights: a folder as faster-whisper takes it, or a file
            (.pt) of openai-whisper.

    Raises:
        UnknownModelError: it is neither.
    """
    if name in transcriber_ids():
        engine: Engine = "faster-whisper" if name.startswith(_PINNED) else "openai-whisper"
        return Transcriber(id=name, engine=engine, pinned=name.replace(engine, _PINNED, 1))
    path = Path(name)
    if (path / "model.bin").is_file():
        return Transcriber(id=f"faster-whisper {path.name}", engine="faster-whisper", path=path)
    if path.is_file():
        return Transcriber(id=f"openai-whisper {path.stem}", engine="openai-whisper", path=path)
    raise UnknownModelError(
        f"transcriber {name!r} is none of {', '.join(transcriber_ids())}, nor the path of a folder "
        "with model.bin or of a file of openai-whisper"
    )


def load_transcriber(
    asked: Transcriber,
    options: WhisperOptions,
    *,
    models_dir: Path,
    device: Device = "auto",
    cpu_threads: int = 2,
) -> WindowRecogniser:
    """Load a transcriber; nothing of it is ever sent anywhere.

    Args:
        asked: Which one.
        options: How to decode; on a GPU the arithmetic is 16-bit floating point instead.
        models_dir: Where pinned weights are searched first.
        device: "auto" takes a GPU where one works.
        cpu_threads: Threads of one inference.

    Raises:
        EngineMissingError: the engine is not installed.
        DeviceMissingError: a GPU was asked for, and there is none that works.
        ModelMissingError: the weights are nowhere.
        ModelHashError: they are not the pinned ones.
        RecogniserError: they cannot be loaded.
    """
    if asked.engine == "faster-whisper":
        return _load_faster_whisper(asked, options, models_dir, device, cpu_threads)
    if missing := missing_package(asked.engine):
        # Before the weights are read and their hashes compared, which takes seconds.
        raise EngineMissingError(missing)
    chosen = torch_place(device)
    heads = None
    if asked.pinned is not None:
        folder = find_model(asked.pinned, models_dir)
        weights, heads = weights_of_faster_whisper(folder), alignment_heads_of(folder)
    else:
        assert asked.path is not None  # noqa: S101 - narrows for the type checker
        weights = read_checkpoint(asked.path)
    return OpenAIWhisper(
        weights,
        options,
        name=asked.id,
        cpu_threads=cpu_threads,
        alignment_heads=heads,
        device=chosen,
        batch_size=_BATCH_SIZE[chosen],
    )


def missing_package(engine: Engine) -> str | None:
    """What an engine lacks on this machine, as a sentence; None where nothing is missing."""
    if engine == "faster-whisper":
        return None  # it comes with Earmark
    if importlib.util.find_spec("torch") and importlib.util.find_spec("whisper"):
        return None
    return "openai-whisper is not installed; install the extra `earmark[offline]`"


def _load_faster_whisper(
    asked: Transcriber,
    options: WhisperOptions,
    models_dir: Path,
    device: Device,
    cpu_threads: int,
) -> BatchedWhisper:
    import ctranslate2

    folder = asked.path if asked.pinned is None else find_model(asked.pinned, models_dir)
    assert folder is not None  # noqa: S101 - narrows for the type checker

    def make(place: Place) -> BatchedWhisper:
        if place == "cuda":
            load_cublas()
        recogniser = BatchedWhisper(
            folder,
            replace(options, compute_type=_ARITHMETIC[place]),
            name=asked.id,
            cpu_threads=cpu_threads,
            device=place,
            batch_size=_BATCH_SIZE[place],
        )
        if place == "cuda":
            recogniser.try_out()
        return recogniser

    return on_device(device, ctranslate2.get_cuda_device_count(), make)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
