"""The contract that every object store keeps, and how addresses open one."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.errors import (
    ObjectChangedError,
    ObjectKeyError,
    ObjectMissingError,
    StorageError,
    StorageUrlError,
)
from storage.objects import ObjectStore, open_objects

TEXT = "text/plain"


def test_put_and_get(objects: ObjectStore) -> None:
    """What was put is what one gets, byte for byte, under keys with any letters."""
    key = "reports/a b+%2F é/x.json"
    objects.put_bytes(key, b"\0\xff bytes", content_type=TEXT)
    assert objects.get_bytes(key) == b"\0\xff bytes"


def test_put_replaces(objects: ObjectStore) -> None:
    """A second put replaces the first."""
    objects.put_bytes("k", b"long first version", content_type=TEXT)
    objects.put_bytes("k", b"second", content_type=TEXT)
    assert objects.get_bytes("k") == b"second"


def test_empty_object(objects: ObjectStore) -> None:
    """An object may be empty."""
    objects.put_bytes("empty", b"", content_type=TEXT)
    assert objects.get_bytes("empty") == b""
    assert [(info.key, info.size_bytes) for info in objects.list()] == [("empty", 0)]


def test_files(objects: ObjectStore, tmp_path: Path) -> None:
    """A file of several chunks goes in and comes out unchanged, and replaces what was there."""
    source, target = tmp_path / "source", tmp_path / "target"
    data = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(100_000))
    source.write_bytes(data)
    target.write_bytes(b"old")
    objects.put_file("big/file.ogg", source, content_type="audio/ogg")
    objects.fetch("big/file.ogg", target)
    assert target.read_bytes() == data
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["source", "target"]


def test_missing(objects: ObjectStore, tmp_path: Path) -> None:
    """What is not there is missing, and a fetch leaves no file behind."""
    objects.put_bytes("dir/there", b"x", content_type=TEXT)
    for key in ("nothing", "dir", "dir/there/below"):
        with pytest.raises(ObjectMissingError, match=key):
            objects.get_bytes(key)
        with pytest.raises(ObjectMissingError, match=key):
            objects.fetch(key, tmp_path / "target")
        assert objects.head(key) is None
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_head(objects: ObjectStore) -> None:
    """A head tells size and time, in UTC."""
    objects.put_bytes("k", b"12345", content_type=TEXT)
    info = objects.head("k")
    assert info is not None
    assert (info.key, info.size_bytes, info.modified_at.tzinfo) == ("k", 5, UTC)
    assert abs(info.modified_at - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("start_bytes", "end_bytes"),
    [
        pytest.param(0, 300_000, id="all"),
        pytest.param(0, 1, id="first"),
        pytest.param(299_999, 300_000, id="last"),
        pytest.param(65_000, 200_000, id="several-pieces"),
    ],
)
def test_range(objects: ObjectStore, start_bytes: int, end_bytes: int) -> None:
    """A range is exactly those bytes."""
    data = b"".join(n.to_bytes(4) for n in range(75_000))
    objects.put_bytes("a/big", data, content_type=TEXT)
    info = objects.head("a/big")
    assert info is not None
    assert b"".join(objects.read_range(info, start_bytes, end_bytes)) == data[start_bytes:end_bytes]


@pytest.mark.parametrize(("start_bytes", "end_bytes"), [(-1, 2), (2, 2), (3, 2), (0, 6), (6, 7)])
def test_range_outside(objects: ObjectStore, start_bytes: int, end_bytes: int) -> None:
    """A range that is none of the object is refused."""
    objects.put_bytes("k", b"12345", content_type=TEXT)
    info = objects.head("k")
    assert info is not None
    with pytest.raises(ValueError, match="start_bytes"):
        objects.read_range(info, start_bytes, end_bytes)


@pytest.mark.parametrize("n_read", [0, 1])
def test_a_range_is_let_go(objects: ObjectStore, n_read: int) -> None:
    """A reader that goes away before the first piece, or in the middle, leaves nothing open."""
    objects.put_bytes("big", b"x" * 300_000, content_type=TEXT)
    info = objects.head("big")
    assert info is not None
    pieces = objects.read_range(info, 0, 300_000)
    for _ in range(n_read):
        assert next(pieces)
    pieces.close()
    pieces.close()
    assert list(pieces) == []


def test_range_of_another_version(objects: ObjectStore) -> None:
    """Of an object that was replaced or removed no bytes are given, before anything was read."""
    objects.put_bytes("k", b"12345", content_type=TEXT)
    info = objects.head("k")
    assert info is not None
    objects.put_bytes("k", b"67890", content_type=TEXT)
    with pytest.raises(ObjectChangedError, match="replaced"):
        objects.read_range(info, 0, 5)
    objects.delete("k")
    with pytest.raises(ObjectMissingError):
        objects.read_range(info, 0, 5)


def test_revision(objects: ObjectStore) -> None:
    """Listing and head tell the same revision, and other bytes have another one."""
    objects.put_bytes("k", b"12345", content_type=TEXT)
    first = objects.head("k")
    assert list(objects.list()) == [first]
    objects.put_bytes("k", b"67890", content_type=TEXT)
    second = objects.head("k")
    assert first is not None
    assert second is not None
    assert first.revision != second.revision


def test_list(objects: ObjectStore) -> None:
    """Listings are in byte order, whole, and cut by prefix, not by folder."""
    keys = ["a-b", "a.b", "a/b", "a/c/d", "a0", "b", "é", "z/1", "z/10", "z/2"]
    for key in reversed(keys):
        objects.put_bytes(key, key.encode(), content_type=TEXT)
    everything = sorted(keys, key=str.encode)
    assert [info.key for info in objects.list()] == everything
    for prefix in ("a", "a/", "a/c", "z/1", "a/c/d", "x", "zz/"):
        expected = [key for key in everything if key.startswith(prefix)]
        assert [info.key for info in objects.list(prefix)] == expected
    assert {info.modified_at.tzinfo for info in objects.list()} == {UTC}


def test_list_of_an_empty_store(objects: ObjectStore) -> None:
    """A store that nothing was put into is empty, and passes its check."""
    assert list(objects.list()) == []
    objects.check()


@pytest.mark.parametrize("key", ["../out", "/abs", "a\0b", "a/../../b", "x" * 300, ""])
def test_bad_keys(objects: ObjectStore, key: str, tmp_path: Path) -> None:
    """No operation takes a key that leads out of the store."""
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(ObjectKeyError):
        objects.put_bytes(key, b"x", content_type=TEXT)
    with pytest.raises(ObjectKeyError):
        objects.put_file(key, source, content_type=TEXT)
    with pytest.raises(ObjectKeyError):
        objects.get_bytes(key)
    with pytest.raises(ObjectKeyError):
        objects.fetch(key, tmp_path / "target")
    with pytest.raises(ObjectKeyError):
        objects.head(key)
    with pytest.raises(ObjectKeyError):
        objects.url(key)


def test_source_that_is_missing(objects: ObjectStore, tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    with pytest.raises(StorageError, match=r"gone\.ogg: cannot be read: No such file"):
        objects.put_file("k", tmp_path / "gone.ogg", content_type=TEXT)
    assert objects.head("k") is None


def test_fetch_into_a_missing_folder(objects: ObjectStore, tmp_path: Path) -> None:
    """A target that cannot be written is a storage error."""
    objects.put_bytes("k", b"x", content_type=TEXT)
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        objects.fetch("k", tmp_path / "no" / "target")


def test_threads(objects: ObjectStore) -> None:
    """Writers and readers of one key in several threads see whole versions only."""
    versions = [bytes([n]) * 200_000 for n in range(6)]
    objects.put_bytes("k", versions[0], content_type=TEXT)
    with ThreadPoolExecutor(4) as pool:
        writing = [
            pool.submit(objects.put_bytes, "k", data, content_type=TEXT) for data in versions
        ]
        seen = [pool.submit(objects.get_bytes, "k") for _ in range(12)]
        for future in writing:
            future.result()
        assert all(future.result() in versions for future in seen)


def test_description(objects: ObjectStore) -> None:
    """Address and description name the place, and no secret."""
    assert objects.url("a/b").endswith("/a/b")
    shown = f"{objects.describe()} {objects!r} {objects.url('a/b')}"
    assert "secret" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gs://bucket/x",
        "http://host/bucket",
        "file://elsewhere/folder",
        "file://",
        "file:///a%00b",
        "a\0b",
        "s3://",
        "s3:///key",
        "s3://UPPER/x",
        "s3://KEY:hidden-word@bucket/x",
        "s3://b/../x",
    ],
)
def test_bad_address(url: str) -> None:
    """Addresses that are none are refused in one sentence that does not repeat them."""
    with pytest.raises((StorageUrlError, ObjectKeyError)) as caught:
        open_objects(url)
    assert "hidden-word" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "endpoint",
    ["host:9000", "ftp://host", "http://", "http://user:hidden-word@host", "http://[::1", ""],
)
def test_bad_endpoint(endpoint: str) -> None:
    """An endpoint is an http address without credentials."""
    with pytest.raises(StorageUrlError) as caught:
        open_objects("s3://bucket", s3_endpoint_url=endpoint)
    assert "hidden-word" not in str(caught.value)


def test_folder_addresses(tmp_path: Path) -> None:
    """A path and a file address open the same folder."""
    folder = tmp_path / "with space"
    open_objects(f"file://{str(folder).replace(' ', '%20')}").put_bytes(
        "k", b"x", content_type=TEXT
    )
    assert open_objects(str(folder)).get_bytes("k") == b"x"


def test_delete(objects: ObjectStore) -> None:
    """A deleted object is gone, its neighbours stay, and to delete nothing is no error."""
    for key in ("d/a", "d/b"):
        objects.put_bytes(key, b"x", content_type=TEXT)
    for key in ("d/a", "d/a", "never", "d", "d/b/below"):
        objects.delete(key)
    assert objects.head("d/a") is None
    assert [info.key for info in objects.list()] == ["d/b"]
    objects.put_bytes("d/a", b"again", content_type=TEXT)
    assert objects.get_bytes("d/a") == b"again"
    with pytest.raises(ObjectKeyError):
        objects.delete("../outside")
