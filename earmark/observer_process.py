"""`earmark observe` as a child process, for the demo and the tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from earmark.errors import ServiceMissingError

READY = "Ready: waiting for rooms"

_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0


@contextmanager
def running_observer(
    environment: Mapping[str, str], log_path: Path, *, command: str = "observe"
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker, wait until it is registered, and stop it at the end.

    Args:
        environment: Of the process; holds its settings.
        log_path: Where everything that it says goes.
        command: Another worker's subcommand, such as "analyst".

    Raises:
        ServiceMissingError: it stopped or did not register in time.
    """
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "earmark", command, "--port", "0"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline_s = time.monotonic() + _READY_TIMEOUT_S
        while READY not in log_path.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise ServiceMissingError(f"the worker did not start; its log is {log_path}")
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
