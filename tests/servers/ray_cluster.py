"""A Ray cluster of one machine, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

_STOP_TIMEOUT_S = 30.0
ROOT = Path(__file__).parents[2]

# For a machine that has much else to do.
_PATIENCE = {
    "RAY_prestart_worker_first_driver": "0",  # workers are started when they are asked for
    "RAY_gcs_server_port_wait_time_s": "240",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_health_check_initial_delay_ms": "60000",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_health_check_failure_threshold": "20",
}

# Holds the cluster for as long as somebody holds its standard input. Fewer processes than
# `ray start`, which brings an autoscaler, a dashboard and a server for Ray clients along.
_HOLDER = """
import sys, time
import ray
from ray._private import services

get_node = services.get_node

def get_node_in_the_end(*arguments):
    # Ray gives its parts half a minute to start, which a busy machine does not keep.
    deadline_s = time.monotonic() + 240
    while True:
        try:
            return get_node(*arguments)
        except RuntimeError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(1)

services.get_node = get_node_in_the_end
node = ray.init(
    address="local", num_cpus=int(sys.argv[1]), include_dashboard=False, log_to_driver=False,
    object_store_memory=80_000_000, _temp_dir=sys.argv[2], _node_ip_address="127.0.0.1",
)
print("at", node.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
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
) -> tuple[subprocess.Popen[str], str]:
    log = folder / "log"
    for attempt in range(2):
        with log.open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", _HOLDER, str(n_cpus), str(folder / str(attempt))],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "OMP_NUM_THREADS": "1",
                    "RAY_USAGE_STATS_ENABLED": "0",
                    **_PATIENCE,
                    **variables,
                },
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        assert process.stdout is not None
        for line in process.stdout:
            word, _, address = line.strip().partition(" ")
            if word == "at":
                return process, address
        _end(process)
    raise RuntimeError(f"Ray did not start: {log.read_text()[-500:]}")


def _end(process: subprocess.Popen[str]) -> None:
    """End Ray and all that belongs to it, and nobody else's."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    try:
        process.communicate(timeout=_STOP_TIMEOUT_S)  # closes its standard input
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    _, alive = psutil.wait_procs(family, timeout=5)
    for each in alive:
        each.kill()
