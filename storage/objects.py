"""The object store: what it can do, and how one is opened from its address."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from storage.errors import StorageUrlError

if TYPE_CHECKING:
    from storage.versions import KeepingStore, LockRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """An object as a listing shows it."""

    key: str
    size_bytes: int
    modified_at: datetime  # UTC
    # Another one whenever the bytes were replaced; opaque.
    revision: str = ""


class Pieces(Iterator[bytes]):
    """Bytes as they come. Close it: a reader may go away in the middle, or before the first piece.

    Args:
        pieces: The bytes.
        close: Lets go of what they come from, however far it was read; may be called twice.
    """

    def __init__(self, pieces: Generator[bytes], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self._close = close

    def __next__(self) -> bytes:
        """The next piece, never empty."""
        return next(self._pieces)

    def close(self) -> None:
        """Let go."""
        # Another thread may be at a piece: then the end of that one lets go.
        with suppress(ValueError):
            self._pieces.close()
        self._close()


class ObjectStore(Protocol):
    """Named bytes that are written whole or not at all. Safe to use from several threads.

    Keys are relative paths with '/' (`storage.keys` has the rule). Every method may raise
    StorageUnavailableError; those that take a key, ObjectKeyError; those that write,
    StorageFullError.
    """

    def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """Store a file's bytes under `key`; an object that was there is replaced.

        Raises:
            StorageError: the file cannot be read.
        """

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store `data` under `key`; an object that was there is replaced."""

    def get_bytes(self, key: str) -> bytes:
        """The whole object, for small ones such as manifests.

        Raises:
            ObjectMissingError: there is none.
        """

    def fetch(self, key: str, to: Path) -> None:
        """Copy the object to the file `to`, which is there whole or not at all.

        After a loss of power the copy may be damaged: it can be fetched again.

        Raises:
            ObjectMissingError: there is no such object.
        """

    def read_range(self, info: ObjectInfo, start_bytes: int, end_bytes: int) -> Pieces:
        """Some bytes of an object, in pieces, without reading the rest of it.

        The object is opened before this returns, so that what is wrong shows before the first byte.
        What is read is what `info` tells of: an object that is replaced meanwhile is not mixed in.

        Args:
            info: From `head`.
            start_bytes: From here, counted from 0.
            end_bytes: Up to here, not including it; at most `info.size_bytes`.

        Raises:
            ObjectMissingError: it is gone.
            ObjectChangedError: it has been replaced since.
            ValueError: the range lies outside of it, or is empty.
        """

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in the order of their UTF-8 bytes."""

    def head(self, key: str) -> ObjectInfo | None:
        """Size and time of the object, None where there is none."""

    def delete(self, key: str) -> None:
        """Remove the object; where there is none, nothing happens.

        In a bucket with versioning, earlier versions stay.
        """

    def url(self, key: str) -> str:
        """Where a person finds the object: a file path or an s3:// address."""

    def check(self) -> None:
        """See whether the store is there and lets us in.

        Raises:
            StorageUnavailableError: it is not, or it does not.
        """

    def describe(self) -> str:
        """Kind and place in a few words, without secrets."""


def checked_range(info: ObjectInfo, start_bytes: int, end_bytes: int) -> None:
    """See that a range lies within an object.

    Raises:
        ValueError: it does not, or is empty.
    """
    if not 0 <= start_bytes < end_bytes <= info.size_bytes:
        raise ValueError("need 0 <= start_bytes < end_bytes <= size_bytes")


def open_objects(
    url: str, *, s3_endpoint_url: str | None = None, locks: LockRules | None = None
) -> KeepingStore:
    """Open the object store at an address. Nothing is asked of it yet; `check` does that.

    Args:
        url: `s3://BUCKET/PREFIX`, `file:///FOLDER`, or the path of a folder, which need not exist.
        s3_endpoint_url: Where S3 is, if it is not Amazon's. Credentials come from where boto3 looks
            for them: environment, shared files, the machine's role.
        locks: What is locked when it is written, and for how long; None = nothing.

    Raises:
        StorageUrlError: the address is none of these.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        if not url or "\0" in url:
            raise StorageUrlError("object store: needs a folder or s3://BUCKET/PREFIX")
        return _open_folder(Path(url), locks)
    if scheme == "file":
        parts = urlsplit(url)
        path = unquote(parts.path)
        if parts.netloc not in {"", "localhost"} or len(path) < 2 or "\0" in path:
            raise StorageUrlError("object store: a file address looks like file:///FOLDER")
        return _open_folder(Path(path), locks)
    if scheme == "s3":
        # boto3 takes a quarter of a second to import, which a folder need not pay.
        from storage.s3 import S3Objects

        return S3Objects.from_url(url, endpoint_url=s3_endpoint_url, locks=locks)
    raise StorageUrlError(
        "object store: only s3://BUCKET/PREFIX, file:///FOLDER and folder paths are known"
    )


def _open_folder(path: Path, locks: LockRules | None) -> KeepingStore:
    from storage.folder import FolderObjects

    return FolderObjects(path, locks=locks)
