"""A bucket: the client, and what its failures mean in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
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
from storage.keys import checked_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONNECT_TIMEOUT_S = 4
_READ_TIMEOUT_S = 30
ATTEMPTS = 3
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


class Bucket:
    """One bucket, below a prefix.

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
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
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


def parse_bucket_url(url: str, endpoint_url: str | None) -> tuple[str, str]:
    """Bucket and prefix of `s3://BUCKET/PREFIX`.

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
    return bucket, prefix


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
