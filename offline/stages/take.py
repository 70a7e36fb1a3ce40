"""Fetch and verify: the bytes of one recording, here, and known by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from offline.call import Source
from offline.stages.scratch import scratch_folder
from speech.audio import Audio, decode
from storage.objects import ObjectStore


class Take:
    """One recording whose bytes are at hand.

    Args:
        source: What was promised of it.
        path: The bytes; nobody changes them meanwhile.
    """

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.path = path
        self.sha256 = file_sha256(path)
        self._audio: Audio | None = None

    @property
    def is_as_promised(self) -> bool:
        """Whether these are the bytes that were recorded, as far as somebody told."""
        return self.source.sha256 is None or self.source.sha256 == self.sha256

    def audio(self) -> Audio:
        """The sound, decoded at the first call and then kept until the take is let go.

        Raises:
            AudioError: nothing in the file can be decoded.
        """
        if self._audio is None:
            self._audio = decode(self.path)
        return self._audio


@contextmanager
def taken(source: Source, objects: ObjectStore) -> Iterator[Take]:
    """The recording as long as the block lasts. It is fetched each time: the store may lie.

    Raises:
        ObjectMissingError: it is not in the store.
        StorageError: the store cannot be reached.
    """
    if source.path is not None:
        yield Take(source, source.path)
        return
    with scratch_folder() as folder:
        path = folder / f"recording{Path(source.name).suffix}"
        objects.fetch(source.name, path)
        yield Take(source, path)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
