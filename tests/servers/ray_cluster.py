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

_START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 30.0
ROOT = Path(__file__).parents[2]

# For a machine that has much else to do.
_PATIENCE = {
    "RAY_prestart_worker_first_driver": "0",  # workers are started when they are asked for
    "RAY_gcs_server_port_wait_time_s": "240",
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_health_check_initial_delay_ms": "60000",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "20",
}

_PORTS = (
    "ray-client-server",
    "dashboard",
    "dashboard-agent-listen",
    "dashboard-agent-grpc",
    "metrics-export",
    "runtime-env-agent",
)

# `ray start`, but with patience: Ray gives its parts half a minute, which a busy machine does not
# keep.
_START = """
import time
from ray._private import services
from ray.scripts.scripts import main

get_node = services.get_node

def get_node_in_the_end(*arguments):
    deadline_s = time.monotonic() + 240
    while True:
        try:
            return get_node(*arguments)
        except RuntimeError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(1)

services.get_node = get_node_in_the_end
main()
"""


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
    for attempt in range(2):  # somebody may take a port before Ray does
        port = free_port()
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _START, "start", "--head", "--block"),
                    *("--disable-usage-stats", "--include-dashboard=false", "--no-monitor"),
                    "--include-log-monitor=false",
                    *("--node-ip-address=127.0.0.1", f"--port={port}", f"--num-cpus={n_cpus}"),
                    # Ports that are given need not be waited for.
                    *(f"--{name}-port={free_port()}" for name in _PORTS),
                    *("--object-store-memory=80000000", f"--temp-dir={folder}/{attempt}"),
                ],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "OMP_NUM_THREADS": "1",
                    **_PATIENCE,
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
