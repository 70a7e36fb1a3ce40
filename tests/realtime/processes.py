"""Our commands as processes, and what is read from their logs."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

_READY_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 60.0


@contextmanager
def running_watch(
    environment: Mapping[str, str], log_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`earmark watch`, looking every second."""
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "earmark", "watch", "--port", "0"],
            env={**environment, "EARMARK_WATCH_INTERVAL_S": "1"},
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + _READY_TIMEOUT_S
        while "Watching the rooms" not in log_path.read_text(errors="replace"):
            assert process.poll() is None, log_path.read_text(errors="replace")
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def log_lines(log_path: Path, message: str | None = None) -> list[dict[str, object]]:
    """The log's records, all of them or those with a message."""
    found = []
    for line in log_path.read_text(errors="replace").splitlines():
        if line.startswith("{"):
            record = json.loads(line)
            if message in (None, record["message"]):
                found.append(record)
    return found


def job_pids(log_path: Path) -> list[int]:
    """Processes that observe or observed a room, in the order of their beginning."""
    return [int(str(record["pid"])) for record in log_lines(log_path, "observing")]


def page_address(log_path: Path) -> str:
    """Where a command tells how it is."""
    found = re.search(r"Health and metrics: (http://\S+)", log_path.read_text(errors="replace"))
    assert found is not None
    return found[1]


def kill_at_once(pid: int) -> None:
    """SIGKILL for a process and all that it started, as a machine that loses power."""
    parent = psutil.Process(pid)
    for process in (*parent.children(recursive=True), parent):
        process.kill()
