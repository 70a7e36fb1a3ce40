"""The object store at scale: a bucket of S3, or of anything that speaks it."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, NotRequired, TypedDict

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from storage.errors import (
    ObjectChangedError,
    ObjectMissingError,
    StorageError,
    StorageUnavailableError,
)
from storage.keys import checked_prefix
from storage.objects import ObjectInfo, Pieces, checked_range
from storage.s3_bucket import ATTEMPTS, parse_bucket_url
from storage.s3_versions import S3Versions
from storage.versions import LockMode, LockRules
from storage.whole_files import writing_whole

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.literals import ObjectLockModeType

_CHUNK_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
_CHANGED = frozenset({"412", "416", "PreconditionFailed", "InvalidRange"})
_MAX_PUT_BYTES = 5 * 1024**3  # what one PutObject may carry


class _LockHeaders(TypedDict):
    ObjectLockMode: NotRequired[ObjectLockModeType]
    ObjectLockRetainUntilDate: NotRequired[datetime]


class S3Objects(S3Versions):
    """Objects of one bucket, below a prefix.

    Each put carries its SHA-256, so a server that knows checksums refuses bytes that changed on the
    way; others ignore the header.

    Args:
        bucket: Its name; the bucket exists.
        prefix: "" or a key part without a slash at its end; goes before every key.
        endpoint_url: None for Amazon's.
        locks: What is locked when it is written; the bucket must have Object Lock then.

    Raises:
        StorageUnavailableError: boto3's own configuration is broken.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint_url: str | None = None,
        locks: LockRules | None = None,
    ) -> None:
        super().__init__(bucket, prefix=prefix, endpoint_url=endpoint_url)
        self._lock_rules = locks

    @classmethod
    def from_url(
        cls, url: str, *, endpoint_url: str | None = None, locks: LockRules | None = None
    ) -> S3Objects:
        """Open `s3://BUCKET/PREFIX`.

        Raises:
            StorageUrlError: the address or the endpoint is malformed, or holds credentials.
        """
        bucket, prefix = parse_bucket_url(url, endpoint_url)
        return cls(bucket, prefix=prefix, endpoint_url=endpoint_url, locks=locks)

    def put_file(self, key: str, path: Path, *, content_type: str) -> None:
        """See `ObjectStore.put_file`.

        Raises:
            StorageError: the file cannot be read, or is larger than 5 GiB.
        """
        name = self._name(key)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
                if file.tell() > _MAX_PUT_BYTES:
                    raise StorageError(f"{path}: is larger than 5 GiB, the most that S3 takes")
                file.seek(0)
                self._put(key, name, file, digest, content_type)
        except OSError as exc:
            raise StorageError(f"{path}: cannot be read: {exc.strerror}") from None

    def put_bytes(self, key: str, data: bytes, *, content_type: str) -> None:
        """See `ObjectStore.put_bytes`."""
        self._put(key, self._name(key), data, hashlib.sha256(data).digest(), content_type)

    def get_bytes(self, key: str) -> bytes:
        """See `ObjectStore.get_bytes`."""
        buffer = io.BytesIO()
        self._read(key, buffer)
        return buffer.getvalue()

    def fetch(self, key: str, to: Path) -> None:
        """See `ObjectStore.fetch`."""
        with writing_whole(to, is_synced=False) as file:
            self._read(key, file)

    def read_range(self, info: ObjectInfo, start_bytes: int, end_bytes: int) -> Pieces:
        """See `ObjectStore.read_range`."""
        checked_range(info, start_bytes, end_bytes)
        body = self._body(info, start_bytes, end_bytes)
        return Pieces(self._pieces(info, body, start_bytes, end_bytes), body.close)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`. The empty objects that consoles make as folders are left out."""
        start = self._prefix + checked_prefix(prefix)
        return self._pages(start)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`."""
        name = self._name(key)
        try:
            with self._mapped(key):
                found = self._client.head_object(Bucket=self._bucket, Key=name)
        except ObjectMissingError:
            # A HEAD has no body, so a missing bucket looks like a missing object.
            self.check()
            return None
        return ObjectInfo(
            key=key,
            size_bytes=found["ContentLength"],
            modified_at=found["LastModified"].astimezone(UTC),
            revision=found["ETag"],
        )

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        name = self._name(key)
        with suppress(ObjectMissingError), self._mapped(key):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        return f"s3://{self._bucket}/{self._name(key)}"

    def _put(
        self, key: str, name: str, body: bytes | IO[bytes], digest: bytes, content_type: str
    ) -> None:
        with self._mapped(key):
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=body,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(digest).decode(),
                **self._lock_headers(key),
            )

    def _lock_headers(self, key: str) -> _LockHeaders:
        until = self._lock_rules.until(key, datetime.now(UTC)) if self._lock_rules else None
        if until is None or self._lock_rules is None:
            return {}
        mode: ObjectLockModeType = (
            "COMPLIANCE" if self._lock_rules.mode is LockMode.COMPLIANCE else "GOVERNANCE"
        )
        return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until}

    def _read(self, key: str, file: IO[bytes]) -> None:
        name = self._name(key)
        # boto3 tries a request again by itself, but not a body that breaks off.
        for tries_left in reversed(range(ATTEMPTS)):
            with self._mapped(key):
                body = self._client.get_object(Bucket=self._bucket, Key=name)["Body"]
            try:
                with body:
                    shutil.copyfileobj(body, file, _CHUNK_BYTES)
                return
            except (BotoCoreError, HTTPClientError) as exc:
                if not tries_left:
                    raise StorageUnavailableError(
                        f"object {key!r} broke off while it was read from {self.describe()} "
                        f"({type(exc).__name__})"
                    ) from None
            file.seek(0)
            file.truncate()

    def _body(self, info: ObjectInfo, start_bytes: int, end_bytes: int) -> StreamingBody:
        name = self._name(info.key)
        with self._mapped(info.key):
            try:
                found = self._client.get_object(
                    Bucket=self._bucket,
                    Key=name,
                    Range=f"bytes={start_bytes}-{end_bytes - 1}",
                    IfMatch=info.revision,
                )
            except ClientError as exc:
                # A range behind the end is one of the object as it was.
                if exc.response.get("Error", {}).get("Code") in _CHANGED:
                    raise ObjectChangedError(
                        f"object {info.key!r} has been replaced; read it anew"
                    ) from None
                raise
        if found["ContentLength"] != end_bytes - start_bytes:
            found["Body"].close()
            raise StorageUnavailableError(
                f"{self.describe()}: answers with other bytes than it was asked for"
            )
        return found["Body"]

    def _pieces(
        self, info: ObjectInfo, body: StreamingBody, start_bytes: int, end_bytes: int
    ) -> Generator[bytes]:
        """Read on where a body breaks off, some times."""
        tries_left = ATTEMPTS - 1
        while True:
            try:
                with body:
                    for piece in body.iter_chunks(_PIECE_BYTES):
                        start_bytes += len(piece)
                        yield piece
            except (BotoCoreError, HTTPClientError) as exc:
                if not tries_left:
                    raise StorageUnavailableError(
                        f"object {info.key!r} broke off while it was read from {self.describe()} "
                        f"({type(exc).__name__})"
                    ) from None
            if start_bytes >= end_bytes:
                return
            if not tries_left:
                raise StorageUnavailableError(
                    f"object {info.key!r} broke off while it was read from {self.describe()}"
                )
            tries_left -= 1
            body = self._body(info, start_bytes, end_bytes)

    def _pages(self, start: str) -> Iterator[ObjectInfo]:
        with self._mapped():
            pages = iter(
                self._client.get_paginator("list_objects_v2").paginate(
                    Bucket=self._bucket, Prefix=start
                )
            )
        while True:
            with self._mapped():
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):
                    yield ObjectInfo(
                        key=entry["Key"][len(self._prefix) :],
                        size_bytes=entry["Size"],
                        modified_at=entry["LastModified"].astimezone(UTC),
                        revision=entry["ETag"],
                    )
