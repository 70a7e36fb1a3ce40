"""Reads the tensors of a PyTorch checkpoint, and runs nothing that stands in it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from offline.errors import DiarizerError

# What rebuilds a tensor; every other name in a checkpoint becomes an object that does nothing.
_NEEDED = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch", "FloatStorage"),
        ("torch", "LongStorage"),
        ("torch", "HalfStorage"),
    }
)


class _Inert:
    """Stands for any class of another library; its contents are not looked at."""

    def __new__(cls, *args: object, **kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _TensorsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _NEEDED:
            return super().find_class(module, name)
        return _Inert


class _PickleModule(ModuleType):
    Unpickler = _TensorsOnly


def read_tensors(path: Path, key: str | None = None) -> Mapping[str, torch.Tensor]:
    """The tensors of a checkpoint by name, on the CPU.

    A checkpoint of Lightning names classes of several libraries. They are neither imported nor
    made: only what rebuilds tensors is let through.

    Args:
        path: A file that `torch.save` wrote.
        key: Where in the checkpoint the tensors are; None = at its top.

    Raises:
        DiarizerError: there are no tensors where they should be.
    """
    try:
        found = torch.load(
            path,
            map_location="cpu",
            pickle_module=_PickleModule("tensors_only"),
            weights_only=False,
        )
        tensors = found if key is None else found[key]
        named = {name: value for name, value in tensors.items() if isinstance(value, torch.Tensor)}
    except (pickle.UnpicklingError, RuntimeError, KeyError, AttributeError, TypeError, EOFError):
        named = {}
    if not named:
        raise DiarizerError(f"{path}: not a checkpoint of the kind that is expected") from None
    return named
