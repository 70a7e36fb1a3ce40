from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.errors import ObjectKeyError, StorageUnavailableError
from storage.folder import FolderObjects
from storage.keys import RESERVED_SEGMENT


def partials(root: Path) -> list[Path]:
    return list((root / RESERVED_SEGMENT).iterdir())


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk a put and a fetch say so, leave nothing half written, and keep the old."""
    objects = FolderObjects(tmp_path / "objects")
    objects.put_bytes("k", b"old", content_type="text/plain")
    objects.put_bytes("big", bytes(500_000), content_type="text/plain")
    # A limit on the size of files is a full disk that every user can have.
    script = """
import resource, sys
from pathlib import Path
from storage.errors import StorageFullError
from storage.folder import FolderObjects
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = Path(sys.argv[1])
objects = FolderObjects(folder / "objects")
(folder / "source").write_bytes(bytes(50_000))
def attempt(what, *arguments, **options):
    try:
        what(*arguments, **options)
    except StorageFullError as exc:
        print("full", exc.exit_code, "no space is left" in str(exc))
attempt(objects.put_bytes, "k", bytes(500_000), content_type="x")
attempt(objects.fetch, "big", folder / "target")
attempt(objects.put_file, "small", folder / "source", content_type="x")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["full 3 True", "full 3 True"]
    assert objects.get_bytes("k") == b"old"
    assert objects.head("small") is not None
    assert not (tmp_path / "target").exists()
    assert partials(tmp_path / "objects") == []


def test_killed_writer(tmp_path: Path) -> None:
    """A writer that is killed in the middle leaves the old object, and its remains are swept."""
    root = tmp_path / "objects"
    objects = FolderObjects(root)
    objects.put_bytes("k", b"old", content_type="x")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = """
import sys
from pathlib import Path
from storage.folder import FolderObjects
FolderObjects(Path(sys.argv[1])).put_file("k", Path(sys.argv[2]), content_type="x")
"""
    writer = subprocess.Popen([sys.executable, "-c", script, str(root), str(pipe)])
    with pipe.open("wb") as feed:
        feed.write(bytes(3_000_000))  # more than a pipe holds, so the writer is at it
        writer.kill()
        writer.wait()
    assert objects.get_bytes("k") == b"old"
    assert [info.key for info in objects.list()] == ["k"]
    (remains,) = partials(root)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(remains, (two_days_ago, two_days_ago))
    objects.put_bytes("other", b"x", content_type="x")
    assert partials(root) == []


def test_link_out_of_the_store(tmp_path: Path) -> None:
    """A link inside the folder does not lead a key out of it."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    root = tmp_path / "objects"
    objects = FolderObjects(root)
    objects.put_bytes("k", b"x", content_type="x")
    (root / "file").symlink_to(secret)
    with pytest.raises(ObjectKeyError, match="a link leads out"):
        objects.get_bytes("file")
    with pytest.raises(ObjectKeyError, match="a link leads out"):
        objects.put_bytes("file", b"overwritten", content_type="x")
    (root / "folder").symlink_to(tmp_path)
    with pytest.raises(ObjectKeyError, match="a link leads out"):
        objects.get_bytes("folder/secret")
    assert secret.read_bytes() == b"secret"


def test_linked_folder_is_not_silently_empty(tmp_path: Path) -> None:
    """A listing that cannot follow a link says so, since recordings would seem not to exist."""
    root = tmp_path / "objects"
    (tmp_path / "elsewhere").mkdir()
    root.mkdir()
    (root / "recordings").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageUnavailableError, match="recordings is a link to a folder"):
        list(FolderObjects(root).list("recordings/"))


def test_root_may_be_a_link(tmp_path: Path) -> None:
    """The store itself may lie behind a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    objects = FolderObjects(tmp_path / "link")
    objects.put_bytes("a/b", b"x", content_type="x")
    assert [info.key for info in objects.list()] == ["a/b"]


def test_key_below_an_object(tmp_path: Path) -> None:
    """A folder cannot hold an object and others below it; the second put says so."""
    objects = FolderObjects(tmp_path)
    objects.put_bytes("a", b"x", content_type="x")
    with pytest.raises(ObjectKeyError, match="an object already"):
        objects.put_bytes("a/b", b"x", content_type="x")
    objects.put_bytes("d/e", b"x", content_type="x")
    with pytest.raises(ObjectKeyError, match="an object already"):
        objects.put_bytes("d", b"x", content_type="x")


@pytest.mark.parametrize("place", ["", "below"])
def test_root_is_a_file(tmp_path: Path, place: str) -> None:
    """A store whose folder is a file, or lies below one, is not available."""
    (tmp_path / "file").write_bytes(b"x")
    objects = FolderObjects(tmp_path / "file" / place)
    with pytest.raises(StorageUnavailableError, match="Not a directory"):
        objects.check()


def test_check_makes_nothing(tmp_path: Path) -> None:
    """A check of a store that is not there yet leaves no folder behind."""
    FolderObjects(tmp_path / "a" / "b").check()
    assert list(tmp_path.iterdir()) == []


def test_files_are_private(tmp_path: Path) -> None:
    """Objects are readable by their owner only: they hold what people said."""
    FolderObjects(tmp_path).put_bytes("k", b"x", content_type="x")
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
