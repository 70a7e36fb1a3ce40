"""The embedded object store: a folder, where each object is a file."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from storage.errors import (
    ObjectChangedError,
    ObjectKeyError,
    ObjectMissingError,
    StorageError,
    StorageUnavailableError,
)
from storage.folder_locks import FolderLocks
from storage.keys import LOCKS_SEGMENT, RESERVED_SEGMENT, checked_key, checked_prefix
from storage.objects import ObjectInfo, Pieces, checked_range
from storage.versions import (
    Lock,
    Locking,
    LockMode,
    LockRules,
    ObjectVersion,
    refuse_locked,
)
from storage.whole_files import sync_folder, write_error, writing_whole

# A write that takes longer than this belongs to a process that died.
_PARTIAL_MAX_AGE_S = 24 * 3600
_CHUNK_BYTES = 1 << 16
_CLASHES = (NotADirectoryError, IsADirectoryError, FileExistsError)


class FolderObjects:
    """Objects as files below a folder; written beside, synced to disk, then renamed into place.

    The content type is not kept: files have none.

    Args:
        root: The folder; made at the first write.
        locks: What is locked when it is written.
    """

    def __init__(self, root: Path, *, locks: LockRules | None = None) -> None:
        self._root = root.absolute()
        self._partial = self._root / RESERVED_SEGMENT
        self._locks = FolderLocks(self._root)
        self._lock_rules = locks

    def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """See `ObjectStore.put_file`."""
        target = self._target(key)
        try:
            source = path.open("rb")
        except OSError as exc:
            raise StorageError(f"{path}: cannot be read: {exc.strerror}") from None
        with source:
            if self._is_kept_as_it_is(key, target, source):
                return
            with self._writing(key, target) as file:
                shutil.copyfileobj(source, file, 1 << 20)
        self._lock_new(key, target)

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        """See `ObjectStore.put_bytes`."""
        target = self._target(key)
        if self._is_kept_as_it_is(key, target, io.BytesIO(data)):
            return
        with self._writing(key, target) as file:
            file.write(data)
        self._lock_new(key, target)

    def get_bytes(self, key: str) -> bytes:
        """See `ObjectStore.get_bytes`."""
        path = self._target(key)
        with self._reading(key):
            return path.read_bytes()

    def fetch(self, key: str, to: Path) -> None:
        """See `ObjectStore.fetch`."""
        path = self._target(key)
        with self._reading(key):
            source = path.open("rb")
        with source, writing_whole(to, is_synced=False) as file:
            shutil.copyfileobj(source, file, 1 << 20)

    def read_range(self, info: ObjectInfo, start_bytes: int, end_bytes: int) -> Pieces:
        """See `ObjectStore.read_range`."""
        checked_range(info, start_bytes, end_bytes)
        path = self._target(info.key)
        with self._reading(info.key):
            file = path.open("rb")
        # A write puts another file in this one's place, so an open one stays as it is.
        if _info(info.key, os.fstat(file.fileno())).revision != info.revision:
            file.close()
            raise ObjectChangedError(f"object {info.key!r} has been replaced; read it anew")
        return Pieces(self._pieces(info.key, file, start_bytes, end_bytes), file.close)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        checked_prefix(prefix)
        if not self._root.is_dir():
            if self._root.exists():
                raise StorageUnavailableError(f"object store {self._root}: is not a folder")
            return iter(())
        return self._walk(self._root, "", prefix)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        path = self._target(key)
        try:
            with self._reading(key):
                return _info(key, path.stat()) if path.is_file() else None
        except ObjectMissingError:
            return None

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`. Folders stay: another process may be about to write there."""
        path = self._target(key)
        refuse_locked(key, self._locks.of(key), datetime.now(UTC))
        try:
            path.unlink()
            sync_folder(path.parent)
            self._locks.forget(key)
        except (FileNotFoundError, *_CLASHES):
            return  # there is no such object; a folder is none
        except OSError as exc:
            if path.is_dir():
                return
            raise StorageUnavailableError(
                f"object {key!r} cannot be removed from {self.describe()}: {exc.strerror}"
            ) from None

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        return str(self._root / checked_key(key))

    def check(self) -> None:
        """See `ObjectStore.check`. A folder that is not there yet must be one that can be made."""
        try:
            if self._root.exists():
                if not self._root.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                with tempfile.NamedTemporaryFile(dir=self._root, prefix=f"{RESERVED_SEGMENT}-"):
                    pass
                return
            parent = next(p for p in self._root.parents if p.exists())
            if not parent.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as exc:
            raise StorageUnavailableError(
                f"object store {self._root}: cannot be written: {exc.strerror}"
            ) from None

    def describe(self) -> str:
        """See `ObjectStore.describe`."""
        return f"folder {self._root}"

    def locking(self) -> Locking:
        """See `KeepingStore.locking`."""
        return Locking(has_versions=False, can_lock=True, is_enforced=False)

    def versions(self, prefix: str = "") -> Iterator[ObjectVersion]:
        """See `KeepingStore.versions`."""
        for found in self.list(prefix):
            yield ObjectVersion(
                key=found.key,
                version_id=None,
                is_latest=True,
                is_marker=False,
                size_bytes=found.size_bytes,
                modified_at=found.modified_at,
            )

    def read(self, version: ObjectVersion) -> bytes:
        """See `KeepingStore.read`."""
        return self.get_bytes(version.key)

    def lock_of(self, version: ObjectVersion) -> Lock:
        """See `KeepingStore.lock_of`."""
        return self._locks.of(checked_key(version.key))

    def hold(self, version: ObjectVersion, *, on: bool) -> None:
        """See `KeepingStore.hold`."""
        lock = self.lock_of(version)
        self._locks.set(version.key, self._target(version.key), replace(lock, is_held=on))

    def retain(self, version: ObjectVersion, until: datetime, mode: LockMode) -> None:
        """See `KeepingStore.retain`."""
        lock = self.lock_of(version)
        if lock.retain_until is None or lock.retain_until < until:
            changed = replace(lock, retain_until=until, mode=mode)
            self._locks.set(version.key, self._target(version.key), changed)

    def erase(self, version: ObjectVersion, *, bypass_governance: bool = False) -> None:
        """See `KeepingStore.erase`."""
        lock = self.lock_of(version)
        if bypass_governance and not lock.is_held and lock.mode is LockMode.GOVERNANCE:
            self._locks.forget(version.key)
        self.delete(version.key)

    def _is_kept_as_it_is(self, key: str, target: Path, source: io.BufferedIOBase) -> bool:
        """Whether a locked object has these very bytes: a write that is repeated changes nothing.

        Raises:
            ObjectLockedError: it is locked, and has other bytes.
        """
        lock, now = self._locks.of(key), datetime.now(UTC)
        if not lock.forbids(now):
            return False
        try:
            with target.open("rb") as file:
                known = hashlib.file_digest(file, "sha256").digest()
                if hashlib.file_digest(source, "sha256").digest() == known:
                    return True
        except OSError:
            return False  # the note is left over from an object that is gone
        refuse_locked(key, lock, now)
        return False

    def _lock_new(self, key: str, target: Path) -> None:
        now = datetime.now(UTC)
        until = self._lock_rules.until(key, now) if self._lock_rules else None
        if until is None or self._lock_rules is None:
            self._locks.forget(key)
            return
        self._locks.set(key, target, Lock(retain_until=until, mode=self._lock_rules.mode))

    def _target(self, key: str) -> Path:
        path = self._root / checked_key(key)
        # Following links could lead out of the folder by a key that looks harmless.
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise ObjectKeyError(f"object key {key!r}: a link leads out of the store")
        return path

    def _pieces(
        self, key: str, file: IO[bytes], start_bytes: int, end_bytes: int
    ) -> Generator[bytes]:
        with file, self._reading(key):
            file.seek(start_bytes)
            left = end_bytes - start_bytes
            while left:
                piece = file.read(min(left, _CHUNK_BYTES))
                if not piece:
                    raise ObjectChangedError(f"object {key!r} was cut while it was read")
                left -= len(piece)
                yield piece

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, *_CLASHES):
            raise ObjectMissingError(f"object {key!r} is not in {self.describe()}") from None
        except OSError as exc:
            raise StorageUnavailableError(
                f"object {key!r} cannot be read from {self.describe()}: {exc.strerror}"
            ) from None

    @contextmanager
    def _writing(self, key: str, target: Path) -> Iterator[IO[bytes]]:
        try:
            if not self._partial.is_dir():
                self._partial.mkdir(parents=True, exist_ok=True)
            self._sweep()
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError
        except _CLASHES:
            raise ObjectKeyError(f"object key {key!r}: a part of it is an object already") from None
        except OSError as exc:
            raise write_error(f"object {key!r}", exc) from None
        with writing_whole(target, beside=self._partial) as file:
            yield file

    def _sweep(self) -> None:
        oldest = time.time() - _PARTIAL_MAX_AGE_S
        for entry in os.scandir(self._partial):
            with suppress(FileNotFoundError):  # another process swept it
                if entry.stat().st_mtime < oldest:
                    Path(entry.path).unlink()

    def _walk(self, folder: Path, at: str, prefix: str) -> Iterator[ObjectInfo]:
        try:
            entries = [
                (f"{at}{entry.name}{'/' if entry.is_dir() else ''}", entry)
                for entry in os.scandir(folder)
                if not (at == "" and entry.name.startswith((RESERVED_SEGMENT, LOCKS_SEGMENT)))
            ]
        except FileNotFoundError:  # removed while we walked
            return
        except OSError as exc:
            raise StorageUnavailableError(
                f"{self.describe()} cannot be listed: {exc.strerror}"
            ) from None
        for name, entry in sorted(entries, key=lambda e: os.fsencode(e[0])):
            if name.endswith("/"):
                if name.startswith(prefix) or prefix.startswith(name):
                    if entry.is_symlink():
                        # Left out in silence, recordings would seem not to exist.
                        raise StorageUnavailableError(
                            f"{self.describe()} cannot be listed: {name[:-1]} is a link to a "
                            "folder; use that folder itself, or mount it"
                        )
                    yield from self._walk(Path(entry.path), name, prefix)
            elif name.startswith(prefix):
                with suppress(FileNotFoundError):
                    if entry.is_file():
                        yield _info(name, entry.stat())


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size_bytes=stat.st_size,
        modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
        revision=f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}",
    )
