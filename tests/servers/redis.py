"""A real Redis server on loopback that keeps nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.ports import free_port

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0


def find_redis() -> Path | None:
    """The redis-server program, None where there is none."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


@contextmanager
def running_redis(binary: Path) -> Iterator[str]:
    """Run Redis for the length of the block.

    Args:
        binary: The redis-server program.

    Yields:
        Its address, HOST:PORT.
    """
    with tempfile.TemporaryDirectory(prefix="earmark-redis-") as folder:
        process, port = _start(binary, Path(folder))
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(binary: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    log_path = folder / "log"
    for _ in range(3):  # somebody may take the port before the server does
        port = free_port()
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    *(str(binary), "--port", str(port), "--bind", "127.0.0.1"),
                    *("--save", "", "--appendonly", "no", "--dir", str(folder)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(7) == b"+PONG\r\n":
                        return process, port
            except OSError:
                time.sleep(0.05)
        if process.poll() is None:
            process.kill()
            process.wait()
    raise RuntimeError(f"Redis did not start: {log_path.read_text()[-500:]}")
