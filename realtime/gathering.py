"""Gathers what the processes of a worker count, for one answer to Prometheus.

Each process of the worker writes files of its own into a folder. A job's process ends with its
call, so what it counted is added to one file that stays, and its own is removed: the folder does
not grow with the number of calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.registry import Collector

# No process has this number; its files hold what ended processes counted.
_ENDED = "0"


class Gatherer:
    """Renders the metrics of all processes of a worker.

    Args:
        folder: Where they count.
        own: What this process tells by itself, read anew for each answer.
    """

    def __init__(self, folder: Path, own: Iterable[Collector] = ()) -> None:
        self._folder = folder
        self._own = tuple(own)
        self._lock = threading.Lock()  # nobody reads while two files hold the same counts

    def render(self) -> bytes:
        """All metrics, in the text form of Prometheus."""
        registry = CollectorRegistry()
        for collector in self._own:
            registry.register(collector)
        with self._lock:
            self._fold()
            multiprocess.MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
            return generate_latest(registry)

    def _fold(self) -> None:
        for path in sorted(self._folder.glob("*.db")):
            kind, _, pid = path.stem.rpartition("_")
            if pid == _ENDED or not pid.isdigit() or _is_alive(int(pid)):
                continue
            if kind in {"counter", "histogram"}:
                self._add(path, self._folder / f"{kind}_{_ENDED}.db")
            path.unlink()  # gauges say how things stand, and an ended process stands no more

    def _add(self, path: Path, total_path: Path) -> None:
        total = MmapedDict(str(total_path))  # type: ignore[no-untyped-call]
        try:
            for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
                so_far, stamp = total.read_value(key)  # type: ignore[no-untyped-call]
                total.write_value(key, so_far + value, stamp)  # type: ignore[no-untyped-call]
        finally:
            total.close()  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
