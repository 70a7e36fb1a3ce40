"""The object store at scale: a bucket of S3, or of anything that speaks it."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from storage.errors import (
    ObjectMissingError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
    StorageUrlError,
)
from storage.folder import writing_whole
from storage.keys import checked_key, checked_prefix
from storage.objects import ObjectInfo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONNECT_TIMEOUT_S = 4
_READ_TIMEOUT_S = 30
_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 20
_MAX_PUT_BYTES = 5 * 1024**3  # what one PutObject may carry
_DENIED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "AccountProblem",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
    }
)
_FULL = frozenset({"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"})


class S3Objects:
    """Objects of one bucket, below a prefix.

    Each put carries its SHA-256, so a server that knows checksums refuses bytes that changed on the
    way; others ignore the header.

    Args:
        bucket: Its name; the bucket exists.
        prefix: "" or a key part without a slash at its end; goes before every key.
        endpoint_url: None for Amazon's.

    Raises:
        StorageUnavailableError: boto3's own configuration is broken.
    """

    def __init__(self, bucket: str, *, prefix: str = "", endpoint_url: str | None = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint_url = endpoint_url
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint_url else "auto"},
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            # We bring the SHA-256 ourselves: stores that only speak older S3 choke on trailers.
            request_checksum_calculation="when_required",
        )
        with self._mapped():
            session = boto3.session.Session()
            self._client: S3Client = session.client(
                "s3",
                endpoint_url=endpoint_url,
                region_name=session.region_name or "us-east-1",
                config=config,
            )

    @classmethod
    def from_url(cls, url: str, *, endpoint_url: str | None = None) -> S3Objects:
        """Open `s3://BUCKET/PREFIX`.

        Raises:
            StorageUrlError: the address or the endpoint is malformed, or holds credentials.
        """
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise StorageUrlError(
                "object store: an S3 address looks like s3://BUCKET/PREFIX, the bucket in small "
                "letters, digits, dots and dashes; credentials do not belong in it"
            )
        prefix = prefix.strip("/")
        if prefix:
            checked_key(prefix)
        if endpoint_url is not None:
            _check_endpoint(endpoint_url)
        return cls(bucket, prefix=prefix, endpoint_url=endpoint_url)

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
        with writing_whole(to) as file:
            self._read(key, file)

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
        )

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        name = self._name(key)
        with suppress(ObjectMissingError), self._mapped(key):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        return f"s3://{self._bucket}/{self._name(key)}"

    def check(self) -> None:
        """See `ObjectStore.check`. Reading is tried; whether we may write shows at a write."""
        with self._mapped():
            self._client.head_bucket(Bucket=self._bucket)

    def describe(self) -> str:
        """See `ObjectStore.describe`."""
        where = f" at {self._endpoint_url}" if self._endpoint_url else ""
        return f"S3 bucket {self._bucket}/{self._prefix}{where}"

    def _name(self, key: str) -> str:
        return self._prefix + checked_key(key)

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
            )

    def _read(self, key: str, file: IO[bytes]) -> None:
        name = self._name(key)
        # boto3 tries a request again by itself, but not a body that breaks off.
        for tries_left in reversed(range(_ATTEMPTS)):
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
                    )

    @contextmanager
    def _mapped(self, key: str | None = None) -> Iterator[None]:
        # `from None` everywhere: what S3 answers quotes signed requests and keys of ours.
        try:
            yield
        except ClientError as exc:
            raise self._client_error(exc, key) from None
        except NoCredentialsError:
            raise StorageUnavailableError(
                f"{self.describe()}: no credentials; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or a profile"
            ) from None
        except (HTTPClientError, BotoConnectionError) as exc:
            raise StorageUnavailableError(
                f"{self.describe()}: cannot be reached ({type(exc).__name__})"
            ) from None
        except (BotoCoreError, Boto3Error) as exc:
            raise StorageUnavailableError(
                f"{self.describe()}: cannot be used ({type(exc).__name__})"
            ) from None

    def _client_error(self, exc: ClientError, key: str | None) -> StorageError:
        code = str(exc.response.get("Error", {}).get("Code", "unknown"))
        if code in {"NoSuchBucket", "301", "PermanentRedirect"} or (code == "404" and key is None):
            return StorageUnavailableError(f"{self.describe()}: there is no such bucket here")
        if code in {"404", "NoSuchKey", "NotFound"}:
            return ObjectMissingError(f"object {key!r} is not in {self.describe()}")
        if code in _DENIED:
            return StorageUnavailableError(
                f"{self.describe()}: access denied ({code}); check the credentials and the policy"
            )
        if code in _FULL:
            return StorageFullError(f"{self.describe()}: is full ({code})")
        return StorageUnavailableError(f"{self.describe()}: refused the request ({code})")


def _check_endpoint(endpoint_url: str) -> None:
    try:
        parts = urlsplit(endpoint_url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        valid = valid and parts.username is None and parts.password is None
    except ValueError:
        valid = False
    if not valid:
        raise StorageUrlError(
            "S3 endpoint: needs https://HOST or http://HOST:PORT, without credentials"
        )
