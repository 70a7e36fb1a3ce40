"""Folders of recordings that are being heard: gone with their process, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from offline.stages.scratch import scratch_folder, sweep_scratch

HOLDER = """
import time
from offline.stages.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "recording.ogg").write_bytes(b"a voice")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def fail_at_work() -> None:
    with scratch_folder() as folder:
        (folder / "recording.ogg").write_bytes(b"a voice")
        assert folder.stat().st_mode & 0o777 == 0o700
        raise RuntimeError(folder.name)


def test_gone_after_use(scratch: Path) -> None:
    """A folder is for its owner alone, and does not stay, whatever happens in it."""
    with pytest.raises(RuntimeError, match="earmark-audit-"):
        fail_at_work()
    assert list(scratch.iterdir()) == []


def test_what_a_killed_process_left_is_swept(scratch: Path) -> None:
    """A folder stays as long as its process lives, and not longer than until somebody comes."""
    (scratch / "earmark-audit-file").write_bytes(b"no folder")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert sweep_scratch() == 0
        assert (folder / "recording.ogg").read_bytes() == b"a voice"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert sweep_scratch() == 1
    assert [path.name for path in scratch.iterdir()] == ["earmark-audit-file"]
