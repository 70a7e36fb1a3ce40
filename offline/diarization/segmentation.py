"""Who of up to three people speaks in ten seconds: pyannote's segmentation-3.0, by torch alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from asteroid_filterbanks import ParamSincFB
from numpy.typing import NDArray

from offline.diarization.checkpoint import read_tensors
from offline.diarization.frames import FRAME_SAMPLES, WINDOW_SAMPLES
from speech.audio import SAMPLE_RATE_HZ

MOST_LOCAL = 3  # people in a window
# The classes of the output: nobody, one of three, two of three
# (pyannote/audio/utils/powerset.py).
_CLASSES = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
_BATCH = 8


class Segmentation:
    """The network, ready.

    Args:
        path: The pinned checkpoint.
        device: Where it runs: "cpu" or "cuda".
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        weights = read_tensors(path, "state_dict")
        self._device = torch.device(device)
        self._filters = _sinc_filters(weights).to(self._device)
        self._weights = {name: tensor.to(self._device) for name, tensor in weights.items()}
        self._lstm = torch.nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self._lstm.load_state_dict(
            {n.removeprefix("lstm."): t for n, t in weights.items() if n.startswith("lstm.")}
        )
        self._lstm.to(self._device).eval()
        mapping = np.zeros((len(_CLASSES), MOST_LOCAL), dtype=np.float32)
        for number, members in enumerate(_CLASSES):
            mapping[number, list(members)] = 1.0
        self._mapping = mapping

    def windows(
        self, samples: NDArray[np.float32], step_frames: int
    ) -> Iterator[NDArray[np.float32]]:
        """Score overlapping windows.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz.
            step_frames: From one window to the next, in frames.

        Yields:
            Of each window, shape (589, 3): the probability that each of three people speaks. Who is
            who differs between windows. Window i begins at sample i * step_frames * 270; the last
            one reaches the end and is padded with silence.
        """
        step = step_frames * FRAME_SAMPLES
        n_windows = n_windows_of(len(samples), step_frames)
        starts = iter(range(0, n_windows * step, step))
        while batch := list(islice(starts, _BATCH)):
            block = np.zeros((len(batch), 1, WINDOW_SAMPLES), dtype=np.float32)
            for row, start in enumerate(batch):
                piece = samples[start : start + WINDOW_SAMPLES]
                block[row, 0, : len(piece)] = piece
            yield from self._score(block) @ self._mapping

    def _score(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of the classes, shape (n_windows, 589, 7)."""
        w = self._weights
        with torch.inference_mode():
            x = torch.from_numpy(block).to(self._device)
            x = F.instance_norm(
                x, weight=w["sincnet.wav_norm1d.weight"], bias=w["sincnet.wav_norm1d.bias"]
            )
            x = F.conv1d(x, self._filters, stride=10).abs()
            for layer in range(3):
                if layer:
                    x = F.conv1d(
                        x,
                        w[f"sincnet.conv1d.{layer}.weight"],
                        w[f"sincnet.conv1d.{layer}.bias"],
                    )
                x = F.max_pool1d(x, 3, stride=3)
                norm = f"sincnet.norm1d.{layer}"
                x = F.instance_norm(x, weight=w[f"{norm}.weight"], bias=w[f"{norm}.bias"])
                x = F.leaky_relu(x)
            x, _ = self._lstm(x.transpose(1, 2))
            for layer in range(2):
                x = F.leaky_relu(
                    F.linear(x, w[f"linear.{layer}.weight"], w[f"linear.{layer}.bias"])
                )
            x = F.linear(x, w["classifier.weight"], w["classifier.bias"]).softmax(dim=-1)
            scores: NDArray[np.float32] = x.cpu().numpy()
        return scores


def n_windows_of(n_samples: int, step_frames: int) -> int:
    """How many windows a sound of that length has."""
    step = step_frames * FRAME_SAMPLES
    return 1 + max(0, -(-(n_samples - WINDOW_SAMPLES) // step))


def _sinc_filters(weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
    bank = ParamSincFB(
        80, 251, stride=10, sample_rate=SAMPLE_RATE_HZ, min_low_hz=50, min_band_hz=50
    )
    begins = "sincnet.conv1d.0.filterbank."
    bank.load_state_dict(
        {n.removeprefix(begins): t for n, t in weights.items() if n.startswith(begins)}
    )
    with torch.inference_mode():
        filters: torch.Tensor = bank.filters()
    return filters
