"""The folder in which the processes of a worker count."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def metrics_folder() -> Iterator[Path]:
    """Have this process and its children count in a new folder; removed at the end.

    To be entered before anything imports `prometheus_client`, which looks for it once; and
    livekit-agents does. So this module imports nothing of either.
    """
    folder = Path(tempfile.mkdtemp(prefix="earmark-metrics-"))
    os.environ[_VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        del os.environ[_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)
