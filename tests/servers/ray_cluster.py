"""A Ray cluster of one machine, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.servers.ports import free_port

_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 30.0
ROOT = Path(__file__).parents[2]


@contextmanager
def running_ray(variables: Mapping[str, str], *, n_cpus: int = 2) -> Iterator[str]:
    """Run Ray for the length of the block; its processes are its own, and end with it.

    Args:
        variables: Environment of its workers, besides that of the tests.
        n_cpus: Processors that it says it has.

    Yields:
        The cluster's address.
    """
    # Paths of sockets are short, and they lie below the folder.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        process, address = _start(Path(folder), variables, n_cpus)
        try:
            yield address
        finally:
            _end(process)


def _start(
    folder: Path, variables: Mapping[str, str], n_cpus: int
) -> tuple[subprocess.Popen[bytes], str]:
    log = folder / "log"
    # It gives its parts half a minute, which a busy machine may not keep.
    for attempt in range(4):
        port = free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                    *("--disable-usage-stats", "--include-dashboard=false"),
                    *("--node-ip-address=127.0.0.1", f"--port={port}", f"--num-cpus={n_cpus}"),
                    *("--object-store-memory=80000000", f"--temp-dir={folder}/{attempt}"),
                ],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "OMP_NUM_THREADS": "1",
                    # Workers are started when they are asked for.
                    "RAY_prestart_worker_first_driver": "0",
                    **variables,
                },
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline_s:
            if "Ray runtime started" in log.read_text():
                return process, f"127.0.0.1:{port}"
            time.sleep(0.2)
        _end(process)
    raise RuntimeError(f"Ray did not start: {log.read_text()[-500:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Ray and all that belongs to it, and nobody else's."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    for each in alive:
        each.kill()
