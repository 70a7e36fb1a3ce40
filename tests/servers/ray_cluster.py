"""A Ray cluster of one machine, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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

    Returns:
        The cluster's address.
    """
    port = free_port()
    # Paths of sockets are short: they lie below the folder.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            **variables,
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                    *("--disable-usage-stats", "--include-dashboard=false"),
                    *("--node-ip-address=127.0.0.1", f"--port={port}", f"--num-cpus={n_cpus}"),
                    *("--object-store-memory=80000000", f"--temp-dir={folder}/t"),
                ],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            deadline_s = time.monotonic() + _START_TIMEOUT_S
            while "Ray runtime started" not in log.read_text():
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(f"Ray did not start: {log.read_text()[-500:]}")
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()  # takes its servers along
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
