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
# The segmentation is the pinned one; the embedding has random weights, which is enough for a
# pipeline to run, and not to tell anybody from anybody.
_CODE = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import numpy as np
from offline.diarization.choice import diarizer_named
from offline.diarization.turns import VoiceBounds
from offline.diarization.embedded import SEGMENTATION_ID
from speech.models import find_model
from tests.offline.mixes import pyannote_sample
folder = Path(sys.argv[1]) / "community"
folder.mkdir()
made = diarizer_named(f"pyannote:{folder}", models_dir=folder, cpu_threads=1)
import os
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
import torch
from pyannote.audio.models.embedding import XVectorMFCC
from pyannote.audio.core.task import Problem, Resolution, Specifications
torch.manual_seed(1)
(folder / "segmentation").mkdir()
source = find_model(SEGMENTATION_ID, folder, allow_hub=False)
(folder / "segmentation" / "pytorch_model.bin").write_bytes(source.read_bytes())
model = XVectorMFCC(dimension=64)
(folder / "embedding").mkdir()
torch.save({
    "state_dict": model.state_dict(),
    "hyper_parameters": dict(model.hparams),
    "pytorch-lightning_version": "2.0.0",
    "pyannote.audio": {
        "versions": {"torch": "2.0.0", "pyannote.audio": "4.0.0"},
        "architecture": {
            "module": "pyannote.audio.models.embedding.xvector", "class": "XVectorMFCC",
        },
        "specifications": Specifications(
            problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0,
        ),
    },
}, folder / "embedding" / "pytorch_model.bin")
(folder / "plda").mkdir()
np.savez(folder / "plda" / "xvec_transform.npz",
         mean1=np.zeros(64), mean2=np.zeros(32), lda=np.eye(64, 32))
np.savez(folder / "plda" / "plda.npz", mu=np.zeros(32), tr=np.eye(32), psi=np.ones(32))
(folder / "config.yaml").write_text('''
version: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    segmentation: $model/segmentation
    embedding: $model/embedding
    plda: $model/plda
    clustering: AgglomerativeClustering
    embedding_exclude_overlap: true
params:
  clustering:
    method: centroid
    min_cluster_size: 2
    threshold: 0.0001
  segmentation:
    min_duration_off: 0.0
''')
samples, _ = pyannote_sample()
found = made.diarize(samples, VoiceBounds(at_least=2, at_most=2))
from pyannote.audio.telemetry.metrics import is_metrics_enabled
print(json.dumps({
    "name": made.name,
    "weights": sorted(made.describe()["weights"]),
    "n_voices": found.n_voices,
    "turns": [[t.start_s, t.end_s, t.voice] for t in found.turns],
    "exclusive": [[t.start_s, t.end_s, t.voice] for t in found.exclusive],
    "telemetry": is_metrics_enabled(),
}))
"""


def test_a_pipeline_in_a_folder(tmp_path: Path) -> None:
    """What pyannote.audio finds becomes turns of ours; it says nothing to anybody."""
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
    assert found["telemetry"] is False
