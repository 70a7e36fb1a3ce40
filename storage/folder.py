"""The embedded object store: a folder, where each object is a file."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from storage.errors import (
    ObjectKeyError,
    ObjectMissingError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from storage.keys import RESERVED_SEGMENT, checked_key, checked_prefix
from storage.objects import ObjectInfo

# A write that takes longer than this belongs to a process that died.
_PARTIAL_MAX_AGE_S = 24 * 3600
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLASHES = (NotADirectoryError, IsADirectoryError, FileExistsError)


class FolderObjects:
    """Objects as files below a folder; written beside, synced to disk, then renamed into place.

    The content type is not kept: files have none.

    Args:
        root: The folder; made at the first write.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._partial = self._root / RESERVED_SEGMENT

    def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """See `ObjectStore.put_file`."""
        target = self._target(key)
        try:
            source = path.open("rb")
        except OSError as exc:
            raise StorageError(f"{path}: cannot be read: {exc.strerror}") from None
        with source, self._writing(key, target) as file:
            shutil.copyfileobj(source, file, 1 << 20)

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        """See `ObjectStore.put_bytes`."""
        with self._writing(key, self._target(key)) as file:
            file.write(data)

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
        with source, writing_whole(to) as file:
            shutil.copyfileobj(source, file, 1 << 20)

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
        try:
            path.unlink()
            _sync_folder(path.parent)
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

    def _target(self, key: str) -> Path:
        path = self._root / checked_key(key)
        # Following links could lead out of the folder by a key that looks harmless.
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise ObjectKeyError(f"object key {key!r}: a link leads out of the store")
        return path

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
            raise _write_error(f"object {key!r}", exc) from None
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
                if not (at == "" and entry.name.startswith(RESERVED_SEGMENT))
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
    )


@contextmanager
def writing_whole(path: Path, *, beside: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write to that becomes `path` at the end of the block, synced to disk.

    If the block raises, or the process dies, `path` is as it was before.

    Args:
        path: The file to be; its folder exists.
        beside: Folder of the unfinished file, on the same file system; default: that of `path`.

    Raises:
        StorageFullError: no space is left.
        StorageUnavailableError: the file cannot be written for another reason.
    """
    what = str(path)
    try:
        handle, name = tempfile.mkstemp(dir=beside or path.parent, prefix=".part-")
    except OSError as exc:
        raise _write_error(what, exc) from None
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise _write_error(what, exc) from None
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # A rename is only on disk once its folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_error(what: str, exc: OSError) -> StorageError:
    if exc.errno in _FULL:
        return StorageFullError(f"{what} cannot be written: no space is left; free some")
    return StorageUnavailableError(f"{what} cannot be written: {exc.strerror}")
