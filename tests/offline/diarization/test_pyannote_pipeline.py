"""A real pipeline of pyannote.audio, from a folder, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="telling voices apart needs the extra offline")
pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1200)]

# pyannote.audio takes twenty seconds to import and warns of much: not in the process of the tests.
_CODE = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from offline.diarization.choice import diarizer_named
from offline.diarization.turns import VoiceBounds
from tests.offline.mixes import error_rate, pyannote_sample
folder = Path(sys.argv[1]) / "community"
folder.mkdir()
made = diarizer_named(f"pyannote:{folder}", models_dir=folder, cpu_threads=1)
import os
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
from tests.offline.pyannote_folder import write_pipeline
write_pipeline(folder, folder)
samples, spoken = pyannote_sample()
found = made.diarize(samples, VoiceBounds(at_least=2, at_most=2))
from pyannote.audio.telemetry.metrics import is_metrics_enabled
print(json.dumps({
    "name": made.name,
    "weights": sorted(made.describe()["weights"]),
    "n_voices": found.n_voices,
    "turns": [[t.start_s, t.end_s, t.voice] for t in found.turns],
    "exclusive": [[t.start_s, t.end_s, t.voice] for t in found.exclusive],
    "error_rate": error_rate(found.turns, spoken, len(samples) / 16_000),
    "telemetry": is_metrics_enabled(),
}))
"""


def test_a_pipeline_in_a_folder(tmp_path: Path) -> None:
    """What pyannote.audio finds becomes turns of ours; it says nothing to anybody.

    On the weights of the default diarizer, so that it tells people apart.
    """
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1000,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["name"] == "pyannote.audio pipeline community"
    assert found["weights"] == [
        "config.yaml",
        "embedding/pytorch_model.bin",
        "plda/plda.npz",
        "plda/xvec_transform.npz",
        "segmentation/pytorch_model.bin",
    ]
    assert found["n_voices"] == 2
    assert {voice for _, _, voice in found["turns"]} == {0, 1}
    assert found["turns"][0][2] == 0
    assert found["turns"] == sorted(found["turns"])
    ends = [end_s for _, end_s, _ in found["exclusive"]]
    starts = [start_s for start_s, _, _ in found["exclusive"]]
    assert all(end_s <= start_s + 1e-6 for end_s, start_s in zip(ends, starts[1:], strict=False))
    assert found["error_rate"] <= 0.15, found["error_rate"]
    assert found["telemetry"] is False
