"""Folders for recordings that are being heard. They outlive nobody for long.

A recording is a person's voice. A process that is killed cannot remove its copy, so whoever comes
next on the same machine does: each folder is locked by the process that uses it, and a folder
that can be locked belongs to nobody.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "earmark-audit-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that only we may read, and that is gone after the block.

    Raises:
        OSError: none can be made.
    """
    folder, lock = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch() -> int:
    """Remove the folders of processes that died.

    Returns:
        How many were removed.
    """
    n_swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # it went away, or is none of ours
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            n_swept += 1
        except BlockingIOError:
            pass  # somebody is at it
        finally:
            os.close(lock)
    return n_swept


def _made() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # swept before it was locked
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)
