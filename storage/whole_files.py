"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from storage.errors import StorageError, StorageFullError, StorageUnavailableError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing_whole(
    path: Path, *, beside: Path | None = None, is_synced: bool = True
) -> Iterator[IO[bytes]]:
    """A file to write to that becomes `path` at the end of the block.

    If the block raises, or the process dies, `path` is as it was before.

    Args:
        path: The file to be; its folder exists.
        beside: Folder of the unfinished file, on the same file system; default: that of `path`.
        is_synced: Whether it is on disk after the block. A copy that can be made again need not be.

    Raises:
        StorageFullError: no space is left.
        StorageUnavailableError: the file cannot be written for another reason.
    """
    what = str(path)
    try:
        handle, name = tempfile.mkstemp(dir=beside or path.parent, prefix=".part-")
    except OSError as exc:
        raise write_error(what, exc) from None
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        partial.replace(path)
        if is_synced:
            sync_folder(path.parent)
    except OSError as exc:
        raise write_error(what, exc) from None
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """See that what was renamed or removed in a folder is on disk."""
    # A rename is only on disk once its folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_error(what: str, exc: OSError) -> StorageError:
    """Our error for a file that could not be written."""
    if exc.errno in _FULL:
        return StorageFullError(f"{what} cannot be written: no space is left; free some")
    return StorageUnavailableError(f"{what} cannot be written: {exc.strerror}")
