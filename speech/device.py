"""Where models run: on the processor, or on a GPU that really does what is asked of it.

A GPU that is there is not yet one that works: CTranslate2 finds the card first and misses CUDA's
libraries only with the first speech, and torch may be built for other cards. So each is tried once.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeVar

from speech.errors import DeviceMissingError

log = logging.getLogger(__name__)

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
Place = Literal["cpu", "cuda"]

# Of the CUDA that CTranslate2 4 is built for, in the order in which they need each other.
_CUDA_12 = ("libcublasLt.so.12", "libcublas.so.12")
_HINT = "for CUDA's libraries install the extra `earmark[cuda]`"

Made = TypeVar("Made")


class GpuError(Exception):
    """A GPU is there and cannot be used. The text is of a trial, and holds nothing anybody said."""


def on_device(asked: Device, n_gpus: int, make: Callable[[Place], Made]) -> Made:
    """Make something on the device that was asked for.

    Args:
        asked: "auto" takes a GPU where one works, and the processor otherwise.
        n_gpus: How many the maker's library finds.
        make: Makes it, and tries it.

    Raises:
        DeviceMissingError: a GPU was asked for, and there is none that works.
    """
    if asked == "cpu" or (asked == "auto" and n_gpus == 0):
        return make("cpu")
    if n_gpus == 0:
        raise DeviceMissingError("--device cuda: there is no GPU that can be used; take cpu")
    try:
        return make("cuda")
    except GpuError as exc:
        # The rest may be pages.
        reason = (str(exc).splitlines() or ["for a reason it does not tell"])[0]
        if asked == "cuda":
            raise DeviceMissingError(
                f"--device cuda: the GPU cannot be used ({reason}); {_HINT}, or take cpu"
            ) from None
        log.warning("the GPU cannot be used, so the processor is", extra={"reason": reason})
    return make("cpu")


def torch_place(asked: Device) -> Place:
    """Where torch runs.

    Raises:
        DeviceMissingError: a GPU was asked for, and there is none that works.
        ImportError: torch is not installed.
    """
    import torch

    def tried(place: Place) -> Place:
        try:
            ones = torch.ones(8, 8, device=place)
            (ones @ ones).sum().item()
        except RuntimeError as exc:
            raise GpuError(str(exc)) from None
        return place

    return on_device(asked, int(torch.cuda.is_available()), tried)


def load_cublas() -> None:
    """Load CUDA's matrix library where a package holds it, for CTranslate2 looks elsewhere only.

    What lies on the loader's own path is found without this.
    """
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for name in _CUDA_12:
            path = Path(folder) / "cublas" / "lib" / name
            if path.is_file():
                with suppress(OSError):  # what is amiss is told by the trial
                    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
