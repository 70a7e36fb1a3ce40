"""Where manifests of stages lie."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from storage.errors import ObjectMissingError
from storage.objects import ObjectStore
from storage.stage_work import CONTENT_TYPE, KEPT_PREFIX, UNFINISHED_PREFIX, clear_call


class StageStore(Protocol):
    """Keeps manifests by call. Safe to use from several threads.

    A folder names a call (`storage.stage_work.call_folder`), a name one manifest in it.
    """

    def read(self, folder: str, name: str) -> bytes | None:
        """The manifest, None where there is none.

        Raises:
            StorageError: the store cannot be reached.
        """

    def write(self, folder: str, name: str, data: bytes) -> None:
        """Put a manifest down, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """

    def close(self, folder: str, used: Collection[str]) -> None:
        """The call's report is finished: keep what it was made of, or nothing.

        Args:
            folder: The call.
            used: Names of manifests that the report was made of; the others are of earlier audits.

        Raises:
            StorageError: the store cannot be reached.
        """


class ObjectStageStore:
    """Manifests as objects beside recordings and reports, in a folder or on S3.

    Args:
        objects: The store.
        keep_days: For how long they are to stay when a report is finished; None = they go.
            `storage.stage_work.forget_stages` removes the old ones.
    """

    def __init__(self, objects: ObjectStore, keep_days: int | None = None) -> None:
        self._objects = objects
        self._is_kept = keep_days is not None
        self._prefix = KEPT_PREFIX if self._is_kept else UNFINISHED_PREFIX

    def read(self, folder: str, name: str) -> bytes | None:
        """See `StageStore.read`."""
        try:
            return self._objects.get_bytes(self._key(folder, name))
        except ObjectMissingError:
            return None

    def write(self, folder: str, name: str, data: bytes) -> None:
        """See `StageStore.write`."""
        self._objects.put_bytes(self._key(folder, name), data, content_type=CONTENT_TYPE)

    def close(self, folder: str, used: Collection[str]) -> None:
        """See `StageStore.close`."""
        kept = {self._key(folder, name) for name in used} if self._is_kept else set()
        clear_call(self._objects, self._prefix, folder, but=kept)

    def _key(self, folder: str, name: str) -> str:
        return f"{self._prefix}{folder}{name}"
