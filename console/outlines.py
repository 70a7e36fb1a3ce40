"""Outlines of recordings that no audit has drawn yet: computed here, one at a time, and kept.

Reading hours of sound takes seconds and a local copy: so few are read at once, each is read once,
and files beyond a size are not read at all. The outline is kept in memory and not in the object
store, so that nothing of a call is left there when the call is erased.
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from console.lanes import Strip
from speech.errors import AudioError
from speech.outline import Outline, outline_file
from storage.errors import ObjectMissingError
from storage.objects import ObjectInfo, ObjectStore

MAX_BYTES = 1024 * 1024 * 1024
MAX_KEPT = 64  # outlines; an hour is 72 kB
_AT_ONCE = 2
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An outline, or why there is none.

    Attributes:
        strip: On the clock of the file: it begins at 0. None where nothing can be drawn.
        note: What a person should know, in a sentence; None where all is well.
    """

    strip: Strip | None
    note: str | None


class Outlines:
    """Draws recordings and keeps what it drew.

    Args:
        objects: Where recordings lie.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._kept: OrderedDict[tuple[str, str], Drawn] = OrderedDict()
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def of(self, info: ObjectInfo) -> Drawn:
        """The outline of an object as it is now.

        Raises:
            StorageError: the store cannot be reached.
        """
        key = (info.key, info.revision)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        if not self._slots.acquire(timeout=_WAIT_S):
            return Drawn(
                strip=None, note="Too many recordings are being drawn. Load the page again."
            )
        try:
            drawn = self._drawn(info)
        finally:
            self._slots.release()
        with self._lock:
            self._kept[key] = drawn
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return drawn

    def _drawn(self, info: ObjectInfo) -> Drawn:
        if info.size_bytes > MAX_BYTES:
            return Drawn(strip=None, note="This recording is too large to be drawn here.")
        with tempfile.TemporaryDirectory(prefix="earmark-outline-") as folder:
            path = Path(folder) / "sound"
            try:
                self._objects.fetch(info.key, path)
                outline = outline_file(path)
            except ObjectMissingError:
                return Drawn(strip=None, note="The recording itself is not in the object store.")
            except AudioError:
                return Drawn(
                    strip=None, note="The recording is damaged: nothing in it can be read."
                )
        return Drawn(strip=_strip(outline), note=_note(outline))


def _strip(outline: Outline) -> Strip:
    return Strip(start_s=0.0, step_s=outline.step_s, levels=np.frombuffer(outline.levels, np.uint8))


def _note(outline: Outline) -> str | None:
    if outline.damage is None:
        return None
    return f"The recording is damaged ({outline.damage}): what can be read of it is shown."
