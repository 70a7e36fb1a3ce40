"""How many processor cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def available_cores() -> int:
    """Cores that this process may run on, a container's limit included; at least 1.

    A container with a limit still sees all cores of its machine, and as many workers as those
    would take each other's time.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota()
    return max(1, min(n_cores or 1, quota) if quota is not None else n_cores or 1)


def _quota() -> int | None:
    """The limit of a version 2 control group, in whole cores; None where there is none."""
    try:
        quota_us, period_us = _CPU_MAX.read_text().split()
        return int(quota_us) // int(period_us)
    except (OSError, ValueError):  # no control group, or "max"
        return None
