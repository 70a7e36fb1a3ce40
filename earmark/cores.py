"""How many processor cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def available_cores(cpu_max: Path = _CPU_MAX) -> int:
    """Cores that this process may run on, a container's limit included; at least 1.

    A container with a limit still sees all cores of its machine, and as many workers as those
    would take each other's time.
    """
    has_affinity = hasattr(os, "sched_getaffinity")  # not on a Mac
    n_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = _quota(cpu_max)
    return max(1, n_cores if quota is None else min(n_cores, quota))


def _quota(cpu_max: Path) -> int | None:
    """The limit of a version 2 control group, in whole cores; None where there is none."""
    try:
        quota_us, period_us = cpu_max.read_text().split()
        return int(quota_us) // int(period_us)
    except (OSError, ValueError):  # no control group, or "max"
        return None
