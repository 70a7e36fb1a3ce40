"""What is particular to S3: credentials, networks, and bodies that break off."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from storage.errors import StorageError, StorageUnavailableError
from storage.objects import ObjectInfo, ObjectStore, open_objects
from tests.servers.s3 import S3Server


@pytest.fixture
def no_access(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which boto3 finds no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.fixture
def some_access(no_access: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of which only the server could say that they are wrong."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "earmark-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-and-hidden")


def refusals(objects: ObjectStore, folder: Path) -> list[str]:
    """What every operation says when the store is not to be had."""
    source = folder / "source"
    source.write_bytes(b"x")
    said = []
    for operation in (
        objects.check,
        lambda: objects.put_bytes("k", b"x", content_type="x"),
        lambda: objects.put_file("k", source, content_type="x"),
        lambda: objects.get_bytes("k"),
        lambda: objects.fetch("k", folder / "target"),
        lambda: objects.head("k"),
        lambda: list(objects.list()),
    ):
        with pytest.raises(StorageUnavailableError) as caught:
            operation()
        assert caught.value.__suppress_context__
        said.append(str(caught.value))
    assert not (folder / "target").exists()
    return said


@pytest.mark.s3
@pytest.mark.usefixtures("some_access")
def test_wrong_credentials(s3_server: S3Server, tmp_path: Path) -> None:
    """Wrong credentials are said to be so by every operation, and are not shown."""
    objects = open_objects(s3_server.url, s3_endpoint_url=s3_server.endpoint_url)
    for said in refusals(objects, tmp_path):
        assert "access denied" in said
        assert "hidden" not in said
        assert "AWS4" not in said


@pytest.mark.s3
@pytest.mark.usefixtures("no_access")
def test_no_credentials(s3_server: S3Server, tmp_path: Path) -> None:
    """Where there are no credentials, the message says which to set."""
    objects = open_objects(s3_server.url, s3_endpoint_url=s3_server.endpoint_url)
    assert all("set AWS_ACCESS_KEY_ID" in said for said in refusals(objects, tmp_path))


@pytest.mark.s3
def test_missing_bucket(s3_access: S3Server, tmp_path: Path) -> None:
    """A bucket that is not there is no empty bucket."""
    objects = open_objects("s3://nothing-here", s3_endpoint_url=s3_access.endpoint_url)
    assert all("no such bucket" in said for said in refusals(objects, tmp_path))


@pytest.mark.s3
def test_prefixes_are_apart(s3_access: S3Server) -> None:
    """A store below a prefix neither sees nor shows what lies beside it."""
    endpoint = s3_access.endpoint_url
    inner = open_objects(f"{s3_access.url}/apart/inner/", s3_endpoint_url=endpoint)
    beside = open_objects(f"{s3_access.url}/apart/inner2", s3_endpoint_url=endpoint)
    inner.put_bytes("k", b"inner", content_type="x")
    beside.put_bytes("k", b"beside", content_type="x")
    assert [info.key for info in inner.list()] == ["k"]
    assert inner.get_bytes("k") == b"inner"
    assert inner.url("k") == f"{s3_access.url}/apart/inner/k"


@pytest.mark.s3
def test_many_objects(s3_access: S3Server) -> None:
    """A listing goes on behind its first page of a thousand."""
    objects = open_objects(f"{s3_access.url}/many", s3_endpoint_url=s3_access.endpoint_url)
    for n in range(1005):
        objects.put_bytes(f"{n:04}", b"", content_type="x")
    assert [info.key for info in objects.list()] == [f"{n:04}" for n in range(1005)]


@pytest.mark.usefixtures("some_access")
@pytest.mark.timeout(60)  # soon, not after the system's own minutes
def test_unreachable(tmp_path: Path) -> None:
    """A server that is not there is given up soon."""
    objects = open_objects("s3://bucket", s3_endpoint_url="http://127.0.0.1:1")
    with pytest.raises(StorageUnavailableError, match="cannot be reached"):
        objects.check()


class Answers(BaseHTTPRequestHandler):
    """Answers every GET with 1,000 bytes of which only the first `sent` come."""

    sent: list[int]

    def do_GET(self) -> None:
        n_sent = self.sent.pop(0)
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"x" * n_sent)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering(*sent: int, handler: type[BaseHTTPRequestHandler] = Answers) -> Iterator[str]:
    """A server that breaks off after so many bytes, one number a request."""
    scripted = type("Handler", (handler,), {"sent": list(sent)})
    with ThreadingHTTPServer(("127.0.0.1", 0), scripted) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("some_access")
def test_broken_body_is_read_again(tmp_path: Path) -> None:
    """A body that breaks off is fetched again, from its beginning."""
    with answering(400, 0, 1000) as endpoint:
        open_objects("s3://bucket", s3_endpoint_url=endpoint).fetch("k", tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == b"x" * 1000


@pytest.mark.usefixtures("some_access")
def test_body_that_stays_broken(tmp_path: Path) -> None:
    """Half an object is never taken for the whole; the attempts are few."""
    with answering(400, 400, 400) as endpoint:
        objects = open_objects("s3://bucket", s3_endpoint_url=endpoint)
        with pytest.raises(StorageError, match="broke off"):
            objects.fetch("k", tmp_path / "k")
    assert list(tmp_path.glob("k*")) == []


class Ranges(BaseHTTPRequestHandler):
    """Answers ranges of the bytes 0, 1, 2, ...; of each answer only the first `sent` come."""

    sent: list[int]

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert asked
        start, end = int(asked[1]), int(asked[2]) + 1
        self.send_response(206)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(bytes(range(start, min(end, start + self.sent.pop(0)))))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def part_of_200(endpoint: str) -> bytes:
    objects = open_objects("s3://bucket", s3_endpoint_url=endpoint)
    info = ObjectInfo(key="k", size_bytes=200, modified_at=datetime.now(UTC), revision='"1"')
    return b"".join(objects.read_range(info, 10, 110))


@pytest.mark.usefixtures("some_access")
def test_range_that_breaks_off_goes_on() -> None:
    """Where a range breaks off, the rest is asked for, and nothing comes twice."""
    with answering(40, 0, 60, handler=Ranges) as endpoint:
        assert part_of_200(endpoint) == bytes(range(10, 110))


@pytest.mark.usefixtures("some_access")
def test_range_that_stays_broken() -> None:
    """A range of which bytes are missing ends in an error and not in silence."""
    with (
        answering(40, 40, 19, handler=Ranges) as endpoint,
        pytest.raises(StorageError, match="broke off"),
    ):
        part_of_200(endpoint)


@pytest.mark.usefixtures("some_access")
def test_server_without_ranges() -> None:
    """Of a server that knows no ranges, the beginning is not taken for the middle."""
    with (
        answering(1000) as endpoint,
        pytest.raises(StorageUnavailableError, match="other bytes"),
    ):
        part_of_200(endpoint)


@pytest.mark.s3
def test_damaged_upload_is_refused(s3_access: S3Server) -> None:
    """The server checks the SHA-256 that goes with each put, so it takes no damaged bytes."""
    from storage.s3 import S3Objects

    class Damaging(S3Objects):
        def damage(self, params: dict[str, object], **_: object) -> None:
            params["body"] = b"y" * 10

        def arm(self) -> None:
            self._client.meta.events.register("before-call.s3.PutObject", self.damage)

    objects = Damaging(s3_access.bucket, endpoint_url=s3_access.endpoint_url)
    objects.arm()
    with pytest.raises(StorageError, match="refused"):
        objects.put_bytes("damaged", b"x" * 10, content_type="x")
    assert objects.head("damaged") is None
