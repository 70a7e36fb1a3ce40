"""Hashes of recordings as they are now, so that a recording is sent only as the audit heard it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from contextlib import closing

from storage.objects import ObjectInfo, ObjectStore

_MAX_KEPT = 4096


class Digests:
    """SHA-256 of objects, read once a version.

    Args:
        objects: The store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, info: ObjectInfo) -> str:
        """The SHA-256 of an object, hex.

        Raises:
            ObjectMissingError, ObjectChangedError: it is not what `info` told any more.
            StorageUnavailableError: the store cannot be reached.
        """
        key = (info.key, info.revision)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        digest = hashlib.sha256()
        if info.size_bytes:
            with closing(self._objects.read_range(info, 0, info.size_bytes)) as pieces:
                for piece in pieces:
                    digest.update(piece)
        with self._lock:
            self._kept[key] = digest.hexdigest()
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
        return digest.hexdigest()
