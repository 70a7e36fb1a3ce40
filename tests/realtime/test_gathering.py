"""Counts of several processes, some of which have ended."""

import os
import subprocess
import sys
from pathlib import Path

from realtime.gathering import Gatherer

COUNTER = """
from realtime import metrics
metrics.GAPS.labels("deaf_track").inc(2)
metrics.ALERT_DELAY.labels("high").observe(0.4)
metrics.ROOMS.labels("livekit").inc()
"""


def count(folder: Path, code: str = COUNTER) -> None:
    """Run a process that counts and ends."""
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}, check=True,
    )  # fmt: skip


def lines(gatherer: Gatherer) -> set[str]:
    """The samples of ours."""
    text = gatherer.render().decode()
    return {line for line in text.splitlines() if line.startswith("earmark_")}


def test_ended_processes_stay_counted(tmp_path: Path) -> None:
    """Counts outlive their process, gauges do not, and the folder does not grow."""
    gatherer = Gatherer(tmp_path)
    n_files = []
    for number in range(1, 4):
        count(tmp_path)
        found = lines(gatherer)
        assert f'earmark_gaps_total{{kind="deaf_track"}} {2 * number}.0' in found
        assert f'earmark_alert_delay_seconds_count{{severity="high"}} {number}.0' in found
        assert f'earmark_alert_delay_seconds_bucket{{le="0.5",severity="high"}} {number}.0' in found
        assert 'earmark_alert_delay_seconds_bucket{le="0.25",severity="high"} 0.0' in found
        assert not any(line.startswith("earmark_rooms_observed") for line in found)
        assert lines(gatherer) == found  # asking changes nothing
        n_files.append(len(list(tmp_path.iterdir())))
    assert n_files == [2, 2, 2]


def test_every_metric_has_a_label(tmp_path: Path) -> None:
    """No file is made by the import alone: livekit-agents empties the folder afterwards."""
    count(tmp_path, "import realtime.metrics")
    assert list(tmp_path.iterdir()) == []
