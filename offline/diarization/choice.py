"""Which diarizer a name means."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from offline.diarization.embedded import EMBEDDING_ID, SEGMENTATION_ID, EmbeddedDiarizer
from offline.diarization.pyannote_pipeline import PyannoteDiarizer
from offline.diarization.turns import Diarizer, missing_library
from offline.errors import DiarizerError, DiarizerNameError
from offline.lack import MODELS_MISSING, NOT_TOLD_APART, Lack, lack_of
from speech.device import Device
from speech.errors import SpeechError
from speech.models import find_model

DEFAULT_NAME = "default"
NO_NAME = "none"
_PYANNOTE = "pyannote:"
# What the default diarizer imports, by what brings it.
_LIBRARIES = ("torch", "torchaudio", "asteroid_filterbanks", "scipy")


def diarizer_named(
    name: str, *, models_dir: Path, device: Device = "auto", cpu_threads: int | None = None
) -> Diarizer | None:
    """The diarizer that a name means; nothing is loaded yet.

    Args:
        name: "default", "none", or "pyannote:" and a folder or a name on the hub.
        models_dir: Where weights are searched first.
        device: "auto" takes a GPU where one works.
        cpu_threads: Threads of one inference; None = as torch likes.

    Raises:
        DiarizerNameError: the name means nothing.
        DiarizerError: a library is not installed, or there is no such folder.
        ModelMissingError: weights of the default are missing.
        ModelHashError: they are not the pinned ones.
    """
    if name == NO_NAME:
        return None
    if name == DEFAULT_NAME:
        _check_libraries(_LIBRARIES)
        for model_id in (SEGMENTATION_ID, EMBEDDING_ID):
            find_model(model_id, models_dir, allow_hub=False)
        return EmbeddedDiarizer(models_dir=models_dir, device=device, cpu_threads=cpu_threads)
    if name.startswith(_PYANNOTE) and len(name) > len(_PYANNOTE):
        where = name.removeprefix(_PYANNOTE)
        _check_libraries(("torch", "pyannote.audio"))
        if _is_path(where) and not Path(where).is_dir():
            raise DiarizerError(
                f"{where}: there is no such folder; give one with a config.yaml, or the name of a "
                "pipeline on the hub",
                MODELS_MISSING,
            )
        return PyannoteDiarizer(where, device=device, cpu_threads=cpu_threads)
    raise DiarizerNameError(
        f"diarizer {name!r}: give default, none, or pyannote: and a folder or a name on the hub"
    )


def diarizer_or_lack(
    name: str, *, models_dir: Path, device: Device = "auto", cpu_threads: int | None = None
) -> tuple[Diarizer | None, Lack | None]:
    """The same, and where voices cannot be told apart here, what is lacking.

    Raises:
        DiarizerNameError: the name means nothing.
    """
    try:
        named = diarizer_named(name, models_dir=models_dir, device=device, cpu_threads=cpu_threads)
    except (DiarizerError, SpeechError) as exc:
        return None, lack_of(exc, NOT_TOLD_APART)
    return named, None


def _is_path(where: str) -> bool:
    """Whether it can only be a folder: on the hub it is OWNER/NAME."""
    return where.startswith((".", "/", "~")) or where.count("/") > 1


def _check_libraries(names: tuple[str, ...]) -> None:
    for name in names:
        try:
            is_there = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:  # what it lies in is missing
            is_there = False
        if not is_there:
            raise missing_library(ModuleNotFoundError(name=name))
