"""The manifests of recordings that lie in an object store, and those that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date

from storage.errors import ManifestError, ObjectMissingError
from storage.manifest import Recording, parse_manifest
from storage.objects import ObjectStore

RECORDINGS = "recordings/"
_DATED = re.compile(r"recordings/(\d{4}-\d{2}-\d{2})/(?:([^/]+)/)?")


class Listing:
    """What a store has of recordings.

    Args:
        manifests: Key of each readable manifest, and what it says.
        broken: Key of each other one, and the call that its path names.
    """

    def __init__(
        self,
        manifests: Iterable[tuple[str, Recording]],
        broken: Iterable[tuple[str, str | None]],
    ) -> None:
        self.broken = tuple(broken)
        self.recordings: list[Recording] = []
        self._of: dict[str, list[Recording]] = {}
        self._keys_of: dict[str, list[str]] = {}
        self._broken_of: dict[str, list[str]] = {}
        for key, recording in manifests:
            self.recordings.append(recording)
            self._of.setdefault(recording.room_sid, []).append(recording)
            self._keys_of.setdefault(recording.room_sid, []).append(key)
        for key, sid in self.broken:
            if sid is not None:
                self._broken_of.setdefault(sid, []).append(key)

    @property
    def room_sids(self) -> set[str]:
        """All calls that have a manifest."""
        return {*self._of, *self._broken_of}

    def of(self, sid: str) -> list[Recording]:
        """The recordings of a call."""
        return self._of.get(sid, [])

    def keys_of(self, sid: str) -> list[str]:
        """Keys of a call's readable manifests."""
        return self._keys_of.get(sid, [])

    def broken_of(self, sid: str) -> list[str]:
        """Keys of a call's unreadable manifests."""
        return self._broken_of.get(sid, [])


def list_manifests(
    objects: ObjectStore, is_wanted: Callable[[date], bool] | None = None
) -> Listing:
    """Read all manifests of a store, or those in folders of some days.

    Folders that are named by no day are always read.

    Raises:
        StorageError: the store cannot be reached.
    """
    keys = (info.key for info in objects.list(RECORDINGS) if info.key.endswith(".json"))
    return read_manifests(objects, (key for key in keys if _is_wanted(key, is_wanted)))


def read_manifests(objects: ObjectStore, keys: Iterable[str]) -> Listing:
    """Read these manifests; one that has gone meanwhile is left out.

    Raises:
        StorageError: the store cannot be reached.
    """
    manifests: list[tuple[str, Recording]] = []
    broken: list[tuple[str, str | None]] = []
    for key in keys:
        try:
            manifests.append((key, parse_manifest(objects.get_bytes(key), manifest_key=key)))
        except ObjectMissingError:
            continue
        except ManifestError:
            dated = _DATED.match(key)
            broken.append((key, dated[2] if dated else None))
    return Listing(manifests, broken)


def day_in(key: str) -> date | None:
    """The day whose folder a key lies in; None where the folder is named otherwise."""
    dated = _DATED.match(key)
    if dated is None:
        return None
    try:
        return date.fromisoformat(dated[1])
    except ValueError:
        return None  # only looks like a day


def _is_wanted(key: str, is_wanted: Callable[[date], bool] | None) -> bool:
    day = day_in(key)
    return day is None or is_wanted is None or is_wanted(day)
