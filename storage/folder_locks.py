"""Locks of the folder store: notes that our own commands respect, and files made read-only.

A folder cannot forbid anything to its owner. So a note beside the objects says what is held or
retained, every write and erasure of the folder store looks at it, and the file loses its write
permission, which keeps other programs from changing it by mistake.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.errors import StorageUnavailableError
from storage.keys import LOCKS_SEGMENT
from storage.versions import Lock, LockMode
from storage.whole_files import writing_whole

_WRITE_BITS = 0o222
_OWNER_WRITES = 0o200
_UNLOCKED = Lock()


class FolderLocks:
    """The notes of one folder store.

    Args:
        root: The store's folder.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / LOCKS_SEGMENT

    def of(self, key: str) -> Lock:
        """The lock on a key.

        Raises:
            StorageUnavailableError: its note cannot be read; what is not known is not erased.
        """
        try:
            note = json.loads(self._note(key).read_bytes())
            return Lock(
                is_held=bool(note["is_held"]),
                retain_until=(
                    datetime.fromisoformat(note["retain_until"]) if note["retain_until"] else None
                ),
                mode=LockMode(note["mode"]) if note["mode"] else None,
            )
        except FileNotFoundError:
            return _UNLOCKED
        except (OSError, ValueError, KeyError, TypeError):
            raise StorageUnavailableError(
                f"object {key!r}: the note of its lock cannot be read ({self._note(key)})"
            ) from None

    def set(self, key: str, path: Path, lock: Lock) -> None:
        """Note a lock on a file, and take or give back its write permission.

        Raises:
            StorageUnavailableError: note or file cannot be written.
        """
        note = {
            "key": key,
            "is_held": lock.is_held,
            "retain_until": lock.retain_until.isoformat() if lock.retain_until else None,
            "mode": lock.mode.value if lock.mode else None,
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with writing_whole(self._note(key)) as file:
                file.write((json.dumps(note) + "\n").encode())
            mode = path.stat().st_mode
            path.chmod(
                mode & ~_WRITE_BITS if lock.forbids(datetime.now(UTC)) else mode | _OWNER_WRITES
            )
        except FileNotFoundError:
            self.forget(key)  # the object went away meanwhile
        except OSError as exc:
            raise StorageUnavailableError(
                f"object {key!r} cannot be locked: {exc.strerror}"
            ) from None

    def forget(self, key: str) -> None:
        """Remove the note of an object that is gone."""
        with suppress(OSError):
            self._note(key).unlink()

    def _note(self, key: str) -> Path:
        # A hash: a key may be longer than a file name, and one key may be another's folder.
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
