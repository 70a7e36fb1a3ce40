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

# Holds the cluster for as long as somebody holds its standard input. Fewer processes than
# `ray start`, which brings an autoscaler, a dashboard and a server for Ray clients along.
_HOLDER = """
import sys
import ray

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
    # Ray gives its parts half a minute to start, which a busy machine may not keep.
    for attempt in range(4):
        with log.open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", _HOLDER, str(n_cpus), str(folder / str(attempt))],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "OMP_NUM_THREADS": "1",
                    "RAY_USAGE_STATS_ENABLED": "0",
                    # Workers are started when they are asked for.
                    "RAY_prestart_worker_first_driver": "0",
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
