"""What a voice sounds like, as a vector: 3D-Speaker's CAM++, by torch alone.

Source:
    Wang et al., "CAM++: A fast and efficient network for speaker verification using context-aware
    masking", Interspeech 2023; modelscope/3D-Speaker, speakerlab/models/campplus (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from offline.diarization.checkpoint import read_tensors
from offline.diarization.frames import ROW_SAMPLES
from speech.audio import SAMPLE_RATE_HZ

DIMENSIONS = 192
_FRAME_LENGTH_SAMPLES = SAMPLE_RATE_HZ // 40
_ROWS_AT_ONCE = 3000
_CONTEXT_FRAMES = 100  # of the masking
_NORM_EPSILON = 1e-5
# Layers and dilation of the three dense blocks.
_BLOCKS = ((12, 1), (24, 2), (16, 2))


class SpeakerEmbedding:
    """The network, ready.

    Args:
        path: The pinned checkpoint.
        device: Where it runs: "cpu" or "cuda".
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._weights = {n: t.to(self._device) for n, t in read_tensors(path).items()}
        self._norms = {
            name.removesuffix(".running_mean"): self._norm_of(name.removesuffix(".running_mean"))
            for name in self._weights
            if name.endswith(".running_mean")
        }

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logarithmic energies of 80 mel bands, one row every 10 ms, shape (n_rows, 80)."""
        from torchaudio.compliance.kaldi import fbank

        n_rows = max(0, 1 + (len(samples) - _FRAME_LENGTH_SAMPLES) // ROW_SAMPLES)
        bands = np.zeros((n_rows, 80), dtype=np.float32)
        # Each row needs its own 25 ms alone, and all at once would take a hundred times the sound.
        for first in range(0, n_rows, _ROWS_AT_ONCE):
            rows = bands[first : first + _ROWS_AT_ONCE]
            begin = first * ROW_SAMPLES
            end = begin + (len(rows) - 1) * ROW_SAMPLES + _FRAME_LENGTH_SAMPLES
            with torch.inference_mode():
                rows[:] = fbank(
                    torch.from_numpy(samples[begin:end])[None, :],
                    num_mel_bins=80,
                    sample_frequency=SAMPLE_RATE_HZ,
                    dither=0.0,
                ).numpy()
        return bands

    def embed(self, pieces: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Vectors of length 1 for pieces of features, one voice each.

        Args:
            pieces: Each of shape (n_rows, 80), at least `frames.MIN_ROWS` rows; not normalised.

        Returns:
            Shape (n_pieces, 192).
        """
        vectors = np.zeros((len(pieces), DIMENSIONS), dtype=np.float32)
        with torch.inference_mode():
            for number, piece in enumerate(pieces):
                rows = torch.from_numpy(piece).to(self._device)
                frames = self.frames((rows - rows.mean(dim=0))[None])
                statistics = torch.cat((frames.mean(dim=-1), frames.std(dim=-1)), dim=-1)
                vector = self.vectors(statistics)
                vectors[number] = F.normalize(vector, dim=1)[0].cpu().numpy()
        return vectors

    def _norm_of(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Batch normalisation as a factor and a summand."""
        mean, variance = self._weights[f"{name}.running_mean"], self._weights[f"{name}.running_var"]
        factor = (variance + _NORM_EPSILON).rsqrt()
        if f"{name}.weight" in self._weights:
            factor = factor * self._weights[f"{name}.weight"]
        summand = -mean * factor
        if f"{name}.bias" in self._weights:
            summand = summand + self._weights[f"{name}.bias"]
        return factor, summand

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        factor, summand = self._norms[name]
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * factor.view(shape) + summand.view(shape)

    def frames(self, rows: torch.Tensor) -> torch.Tensor:
        """What the network makes of each moment: (batch, n_rows, 80) to (batch, 512, n_frames)."""
        w = self._weights
        x = self._head(rows.transpose(1, 2)[:, None])
        x = F.conv1d(x, w["xvector.tdnn.linear.weight"], stride=2, padding=2)
        x = F.relu(self._norm(x, "xvector.tdnn.nonlinear.batchnorm"))
        for block, (n_layers, dilation) in enumerate(_BLOCKS, start=1):
            for layer in range(1, n_layers + 1):
                name = f"xvector.block{block}.tdnnd{layer}"
                x = torch.cat((x, self._dense(x, name, dilation)), dim=1)
            x = F.relu(self._norm(x, f"xvector.transit{block}.nonlinear.batchnorm"))
            x = F.conv1d(x, w[f"xvector.transit{block}.linear.weight"])
        return F.relu(self._norm(x, "xvector.out_nonlinear.batchnorm"))

    def vectors(self, statistics: torch.Tensor) -> torch.Tensor:
        """Voices by means and deviations of frames: (batch, 1024) to (batch, 192)."""
        weight = self._weights["xvector.dense.linear.weight"]
        x = F.conv1d(statistics[..., None], weight)[..., 0]
        return self._norm(x, "xvector.dense.nonlinear.batchnorm")

    def _head(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x, self._weights["head.conv1.weight"], padding=1)
        x = F.relu(self._norm(x, "head.bn1"))
        for layer in (1, 2):
            x = self._residual(x, f"head.layer{layer}.0", stride=2)
            x = self._residual(x, f"head.layer{layer}.1", stride=1)
        x = F.conv2d(x, self._weights["head.conv2.weight"], stride=(2, 1), padding=1)
        x = F.relu(self._norm(x, "head.bn2"))
        return x.flatten(1, 2)

    def _residual(self, x: torch.Tensor, name: str, *, stride: int) -> torch.Tensor:
        w = self._weights
        y = F.conv2d(x, w[f"{name}.conv1.weight"], stride=(stride, 1), padding=1)
        y = F.relu(self._norm(y, f"{name}.bn1"))
        y = self._norm(F.conv2d(y, w[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
        if f"{name}.shortcut.0.weight" in w:
            x = F.conv2d(x, w[f"{name}.shortcut.0.weight"], stride=(stride, 1))
            x = self._norm(x, f"{name}.shortcut.1")
        return F.relu(x + y)

    def _dense(self, x: torch.Tensor, name: str, dilation: int) -> torch.Tensor:
        w = self._weights
        x = F.relu(self._norm(x, f"{name}.nonlinear1.batchnorm"))
        x = F.conv1d(x, w[f"{name}.linear1.weight"])
        x = F.relu(self._norm(x, f"{name}.nonlinear2.batchnorm"))
        name = f"{name}.cam_layer"
        y = F.conv1d(x, w[f"{name}.linear_local.weight"], padding=dilation, dilation=dilation)
        segments = F.avg_pool1d(x, _CONTEXT_FRAMES, stride=_CONTEXT_FRAMES, ceil_mode=True)
        context = (
            x.mean(dim=-1, keepdim=True)
            + segments.repeat_interleave(_CONTEXT_FRAMES, dim=-1)[..., : x.shape[-1]]
        )
        mask = F.relu(F.conv1d(context, w[f"{name}.linear1.weight"], w[f"{name}.linear1.bias"]))
        mask = F.conv1d(mask, w[f"{name}.linear2.weight"], w[f"{name}.linear2.bias"])
        return y * mask.sigmoid()
