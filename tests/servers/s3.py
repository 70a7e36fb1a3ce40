"""A real S3 server on loopback: versitygw over a folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
from botocore.config import Config

from tests.servers.ports import free_port

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Where the server is, its root account, and a bucket that is there."""

    endpoint_url: str
    access_key: str
    secret_key: str
    bucket: str

    @property
    def url(self) -> str:
        """The bucket as an object store's address."""
        return f"s3://{self.bucket}"

    def environment(self) -> dict[str, str]:
        """What boto3 and the command need to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "EARMARK_OBJECTS_URL": self.url,
            "EARMARK_S3_ENDPOINT_URL": self.endpoint_url,
        }

    def make_bucket(self, name: str, *, locked: bool = False) -> None:
        """Make one more bucket, with versions and Object Lock if asked."""
        boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        ).create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)


@contextmanager
def running_versitygw(
    binary: Path, folder: Path | None = None, *, bucket: str = "earmark"
) -> Iterator[S3Server]:
    """Run versitygw for the length of the block.

    Args:
        binary: The versitygw program.
        folder: Where its data goes; default: a temporary folder.
        bucket: Made before the block begins.
    """
    with tempfile.TemporaryDirectory(prefix="earmark-s3-") as temporary:
        home = folder or Path(temporary)
        # versitygw wants them there, and the versions outside the data.
        for name in ("data", "iam", "versions"):
            (home / name).mkdir(parents=True, exist_ok=True)
        process, port = _start(binary, home)
        try:
            server = S3Server(
                endpoint_url=f"http://127.0.0.1:{port}",
                access_key="earmark-test",
                secret_key="earmark-test-secret",
                bucket=bucket,
            )
            server.make_bucket(bucket)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(binary: Path, home: Path) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(3):  # somebody may take the port before the server does
        port = free_port()
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    str(binary.absolute()),
                    *("--port", f"127.0.0.1:{port}"),
                    *("--access", "earmark-test", "--secret", "earmark-test-secret"),
                    *("--iam-dir", str(home / "iam")),
                    *("--health", "/health", "--quiet"),
                    "posix",
                    *("--versioning-dir", str(home / "versions")),
                    str(home / "data"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=1.0).is_success:
                    return process, port
            except httpx.TransportError:
                time.sleep(0.05)
        if process.poll() is None:
            process.kill()
            process.wait()
    raise RuntimeError(f"versitygw did not start: {(home / 'log').read_text()[-500:]}")
