"""A pipeline of pyannote.audio in a folder, on the weights of the default diarizer.

Only for a process of its own: pyannote.audio takes twenty seconds to import and warns of much.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pyannote.audio.core.model import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.blocks.pooling import StatsPool
from torchaudio.compliance.kaldi import fbank

from offline.diarization.embedded import EMBEDDING_ID, SEGMENTATION_ID
from offline.diarization.speaker_embedding import DIMENSIONS, SpeakerEmbedding
from speech.models import find_model

# Batches as in the pipelines that pyannote.audio publishes; each step is a tenth of a window.
_CONFIG = """\
version: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    segmentation: $model/segmentation
    embedding: $model/embedding
    plda: $model/plda
    clustering: AgglomerativeClustering
    embedding_exclude_overlap: true
    embedding_batch_size: 32
    segmentation_batch_size: 32
params:
  clustering:
    method: centroid
    min_cluster_size: 12
    threshold: 0.6
  segmentation:
    min_duration_off: 0.0
"""


class CamPlusPlus(Model):
    """CAM++ as pyannote.audio takes an embedding: whole windows, weighted by who speaks where.

    Args:
        weights: The pinned checkpoint.
        task: As `Model` wants it; none.
    """

    def __init__(self, weights: str, task: object = None) -> None:
        super().__init__(sample_rate=16_000, num_channels=1, task=task)
        self.save_hyperparameters("weights")
        self._network = SpeakerEmbedding(Path(weights))
        self._fbank = partial(fbank, num_mel_bins=80, sample_frequency=16_000, dither=0.0)
        self._pool = StatsPool()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return DIMENSIONS

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Shape (n, 1, n_samples) and (n, n_frames) to (n, 192)."""
        rows = torch.vmap(self._fbank)(waveforms)
        frames = self._network.frames(rows - rows.mean(dim=1, keepdim=True))
        return F.normalize(self._network.vectors(self._pool(frames, weights=weights)), dim=1)


def write_pipeline(folder: Path, models_dir: Path) -> None:
    """Make a folder that `Pipeline.from_pretrained` takes.

    Args:
        folder: Empty.
        models_dir: Where the pinned weights are searched first.
    """
    for name in ("segmentation", "embedding", "plda"):
        (folder / name).mkdir()
    source = find_model(SEGMENTATION_ID, models_dir, allow_hub=False)
    (folder / "segmentation" / "pytorch_model.bin").write_bytes(source.read_bytes())
    model = CamPlusPlus(str(find_model(EMBEDDING_ID, models_dir, allow_hub=False)))
    torch.save(
        {
            "state_dict": model.state_dict(),
            "hyper_parameters": dict(model.hparams),
            "pytorch-lightning_version": "2.0.0",
            "pyannote.audio": {
                "versions": {"torch": "2.0.0", "pyannote.audio": "4.0.0"},
                "architecture": {"module": __name__, "class": CamPlusPlus.__name__},
                "specifications": Specifications(
                    problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
                ),
            },
        },
        folder / "embedding" / "pytorch_model.bin",
    )
    # It is loaded, and asked for at the hub where there is none; this clustering has no use for it.
    np.savez(
        folder / "plda" / "xvec_transform.npz",
        mean1=np.zeros(DIMENSIONS),
        mean2=np.zeros(32),
        lda=np.eye(DIMENSIONS, 32),
    )
    np.savez(folder / "plda" / "plda.npz", mu=np.zeros(32), tr=np.eye(32), psi=np.ones(32))
    (folder / "config.yaml").write_text(_CONFIG)
