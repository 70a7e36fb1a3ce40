"""What a voice sounds like, as a vector: 3D-Speaker's CAM++, by torch alone.

Source:
    Wang et al., "CAM++: A fast and efficient network for speaker verification using context-aware
    masking", Interspeech 2023; modelscope/3D-Speaker, speakerlab/models/campplus (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
_GROWTH = 32  # channels that a layer of them adds
_BATCH = 8
# Convolutions, each with the normalisation behind it.
_NORMED: Mapping[str, str] = {
    "head.conv1": "head.bn1",
    "head.conv2": "head.bn2",
    **{
        f"head.layer{layer}.{number}.conv{conv}": f"head.layer{layer}.{number}.bn{conv}"
        for layer in (1, 2)
        for number in (0, 1)
        for conv in (1, 2)
    },
    **{f"head.layer{layer}.0.shortcut.0": f"head.layer{layer}.0.shortcut.1" for layer in (1, 2)},
    "xvector.tdnn.linear": "xvector.tdnn.nonlinear.batchnorm",
    "xvector.dense.linear": "xvector.dense.nonlinear.batchnorm",
    **{
        f"xvector.block{block}.tdnnd{layer}.linear1": (
            f"xvector.block{block}.tdnnd{layer}.nonlinear2.batchnorm"
        )
        for block, (n_layers, _) in enumerate(_BLOCKS, start=1)
        for layer in range(1, n_layers + 1)
    },
}


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
        self._folded = {name: self._fold(name, norm) for name, norm in _NORMED.items()}

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

    def embed(
        self, features: NDArray[np.float32], pieces: Sequence[NDArray[np.int64]]
    ) -> NDArray[np.float32]:
        """Vectors of length 1 for pieces of a sound, one voice each.

        Args:
            features: Of the sound, shape (n_rows, 80); not normalised.
            pieces: Rows of the features, at least `frames.MIN_ROWS` each.

        Returns:
            Shape (n_pieces, 192).
        """
        vectors = np.zeros((len(pieces), DIMENSIONS), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        for number, piece in enumerate(pieces):
            by_length.setdefault(len(piece), []).append(number)
        # Together they keep more than one thread busy; most pieces are as long as they may be.
        for numbers in by_length.values():
            for first in range(0, len(numbers), _BATCH):
                batch = numbers[first : first + _BATCH]
                vectors[batch] = self._embedded(features[np.stack([pieces[n] for n in batch])])
        return vectors

    def _embedded(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            rows = torch.from_numpy(batch).to(self._device)
            frames = self.frames(rows - rows.mean(dim=1, keepdim=True))
            statistics = torch.cat((frames.mean(dim=-1), frames.std(dim=-1)), dim=-1)
            vectors: NDArray[np.float32] = (
                F.normalize(self.vectors(statistics), dim=1).cpu().numpy()
            )
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

    def _fold(self, weight: str, norm: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The weight and bias of a convolution that does the normalisation behind it as well."""
        factor, summand = self._norms[norm]
        filters = self._weights[f"{weight}.weight"]
        return filters * factor.view(-1, *(1,) * (filters.dim() - 1)), summand

    def _activated(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Normalised, and nothing below 0."""
        factor, summand = self._norms[f"{name}.nonlinear1.batchnorm"]
        return torch.addcmul(summand[:, None], x, factor[:, None]).relu_()

    def frames(self, rows: torch.Tensor) -> torch.Tensor:
        """What the network makes of each moment: (batch, n_rows, 80) to (batch, 512, n_frames)."""
        x = self._head(rows.transpose(1, 2)[:, None])
        weight, bias = self._folded["xvector.tdnn.linear"]
        x = F.conv1d(x, weight, bias, stride=2, padding=2).relu_()
        for block, (n_layers, dilation) in enumerate(_BLOCKS, start=1):
            # Each layer sees all before it: they are written side by side, and never copied.
            n_channels = x.shape[1]
            seen = x.new_empty((len(x), n_channels + n_layers * _GROWTH, x.shape[2]))
            seen[:, :n_channels] = x
            for layer in range(1, n_layers + 1):
                name = f"xvector.block{block}.tdnnd{layer}"
                made = self._dense(seen[:, :n_channels], name, dilation)
                seen[:, n_channels : n_channels + _GROWTH] = made
                n_channels += _GROWTH
            factor, summand = self._norms[f"xvector.transit{block}.nonlinear.batchnorm"]
            x = torch.addcmul(summand[:, None], seen, factor[:, None]).relu_()
            x = torch.matmul(self._weights[f"xvector.transit{block}.linear.weight"][..., 0], x)
        factor, summand = self._norms["xvector.out_nonlinear.batchnorm"]
        return torch.addcmul(summand[:, None], x, factor[:, None]).relu_()

    def vectors(self, statistics: torch.Tensor) -> torch.Tensor:
        """Voices by means and deviations of frames: (batch, 1024) to (batch, 192)."""
        weight, bias = self._folded["xvector.dense.linear"]
        return F.linear(statistics, weight[..., 0], bias)

    def _head(self, x: torch.Tensor) -> torch.Tensor:
        x = self._conv("head.conv1", x, padding=1).relu_()
        for layer in (1, 2):
            x = self._residual(x, f"head.layer{layer}.0", stride=2)
            x = self._residual(x, f"head.layer{layer}.1", stride=1)
        return self._conv("head.conv2", x, stride=2, padding=1).relu_().flatten(1, 2)

    def _residual(self, x: torch.Tensor, name: str, *, stride: int) -> torch.Tensor:
        y = self._conv(f"{name}.conv1", x, stride=stride, padding=1).relu_()
        y = self._conv(f"{name}.conv2", y, padding=1)
        if f"{name}.shortcut.0" in self._folded:
            x = self._conv(f"{name}.shortcut.0", x, stride=stride)
        return y.add_(x).relu_()

    def _conv(
        self, name: str, x: torch.Tensor, *, stride: int = 1, padding: int = 0
    ) -> torch.Tensor:
        weight, bias = self._folded[name]
        return F.conv2d(x, weight, bias, stride=(stride, 1), padding=padding)

    def _dense(self, x: torch.Tensor, name: str, dilation: int) -> torch.Tensor:
        w = self._weights
        weight, bias = self._folded[f"{name}.linear1"]
        x = torch.matmul(weight[..., 0], self._activated(x, name)).add_(bias[:, None]).relu_()
        name = f"{name}.cam_layer"
        y = F.conv1d(x, w[f"{name}.linear_local.weight"], padding=dilation, dilation=dilation)
        # What masks a frame is the same for its whole segment.
        segments = F.avg_pool1d(x, _CONTEXT_FRAMES, stride=_CONTEXT_FRAMES, ceil_mode=True)
        context = x.mean(dim=-1, keepdim=True) + segments
        mask = F.conv1d(context, w[f"{name}.linear1.weight"], w[f"{name}.linear1.bias"]).relu_()
        mask = F.conv1d(mask, w[f"{name}.linear2.weight"], w[f"{name}.linear2.bias"]).sigmoid_()
        return y.mul_(mask.repeat_interleave(_CONTEXT_FRAMES, dim=-1)[..., : y.shape[-1]])
