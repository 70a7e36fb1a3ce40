"""Versions of objects, and what keeps them from being erased: legal holds and times of retention.

A bucket with versioning keeps what is overwritten or deleted; to erase is to remove every version.
A folder has one version of each object, which has no id.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from storage.errors import ObjectLockedError
from storage.objects import ObjectStore


class LockMode(StrEnum):
    """How firm a time of retention is."""

    GOVERNANCE = "governance"  # whoever has the right to may lift it
    COMPLIANCE = "compliance"  # nobody may, not even the account's owner


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of an object, or a mark that it was deleted."""

    key: str
    version_id: str | None  # None where the store keeps one version only
    is_latest: bool
    is_marker: bool  # a delete marker: it hides the others and erases nothing
    size_bytes: int
    modified_at: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What keeps one version from being erased."""

    is_held: bool = False  # by a legal hold
    retain_until: datetime | None = None  # UTC
    mode: LockMode | None = None  # of retain_until

    def forbids(self, now: datetime) -> bool:
        """Whether the version may not be erased now."""
        return self.is_held or (self.retain_until is not None and self.retain_until > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locking:
    """What a store can do to keep objects."""

    has_versions: bool
    can_lock: bool
    is_enforced: bool  # by the store itself, against every program; not by Earmark alone
    default_mode: LockMode | None = None  # what the bucket puts on every new object
    default_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRules:
    """For how long objects are locked when they are written, by the beginning of their keys.

    Summaries of a day are never locked: they are written anew when another call of it is audited.
    """

    days_by_prefix: Mapping[str, int]
    mode: LockMode = LockMode.GOVERNANCE

    def until(self, key: str, now: datetime) -> datetime | None:
        """Until when a new object is locked; None = not at all."""
        if posixpath.basename(key).startswith("summary."):
            return None
        for prefix, days in self.days_by_prefix.items():
            if key.startswith(prefix):
                return now + timedelta(days=days)
        return None


class KeepingStore(ObjectStore, Protocol):
    """An object store of which versions can be listed, locked and erased."""

    def locking(self) -> Locking:
        """What the store can do.

        Raises:
            StorageUnavailableError: it cannot be reached, or does not say.
        """

    def versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """All versions of objects whose key begins with `prefix`, delete markers too, by key.

        Erasing versions of keys that have been passed does not disturb the listing.
        """

    def read(self, version: ObjectVersion) -> bytes:
        """The bytes of one version.

        Raises:
            ObjectMissingError: it is gone, or a delete marker.
        """

    def lock_of(self, version: ObjectVersion) -> Lock:
        """What keeps a version from being erased. Of one that is gone: nothing."""

    def hold(self, version: ObjectVersion, *, on: bool) -> None:
        """Set or lift the legal hold on a version; of a delete marker or a gone one, nothing.

        Raises:
            StorageUnavailableError: the store has no locks, or refuses us.
        """

    def retain(self, version: ObjectVersion, until: datetime, mode: LockMode) -> None:
        """Forbid that a version is erased before a moment. A time that is set is never shortened.

        Raises:
            StorageUnavailableError: the store has no locks, or refuses us.
        """

    def erase(self, version: ObjectVersion, *, bypass_governance: bool = False) -> None:
        """Remove one version for good; one that is gone is no error.

        Args:
            version: From `versions`.
            bypass_governance: Do so before the end of a governance retention; S3 asks for the
                right `s3:BypassGovernanceRetention`.

        Raises:
            ObjectLockedError: it is held, or its time is not over.
        """


def versions_by_key(
    store: KeepingStore, prefix: str = ""
) -> Iterator[tuple[str, tuple[ObjectVersion, ...]]]:
    """Keys with all their versions, in the order of the keys."""
    for key, group in groupby(store.versions(prefix), key=lambda version: version.key):
        yield key, tuple(group)


def versions_of(store: KeepingStore, key: str) -> tuple[ObjectVersion, ...]:
    """All versions of one key."""
    return tuple(version for version in store.versions(key) if version.key == key)


def refuse_locked(key: str, lock: Lock, now: datetime) -> None:
    """Raise if a lock forbids erasing.

    Raises:
        ObjectLockedError: with what it is.
    """
    if lock.is_held:
        raise ObjectLockedError(f"object {key!r} is under legal hold; release the hold first")
    if lock.retain_until is not None and lock.retain_until > now:
        mode = f" ({lock.mode} mode)" if lock.mode else ""
        raise ObjectLockedError(
            f"object {key!r} is locked until {lock.retain_until:%Y-%m-%d %H:%M} UTC{mode}"
        )
