"""Memory does not grow with the length of a recording."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# Thirty minutes of one channel are 110 MiB. What does grow is words, levels and the like.
MOST_GROWN_MIB = 40.0


def audited(folder: Path, minutes: int) -> dict[str, Any]:
    """What the audit of a call of one track took, in a process of its own."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.offline.long_call", str(folder), str(minutes), "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_of_a_recording_takes_no_more_memory(tmp_path: Path) -> None:
    """Decoding, alignment, outline, speech detection, windows and redaction take it in parts."""
    short, long = (audited(tmp_path / str(minutes), minutes) for minutes in (10, 40))
    assert long["duration_s"] == pytest.approx(2400.0, abs=0.1)
    assert long["n_utterances"] > 3 * short["n_utterances"]
    assert long["n_redacted"] == 1
    assert long["peak_mib"] - short["peak_mib"] < MOST_GROWN_MIB, (short, long)
