"""A pipeline of pyannote.audio, by a folder or by its name on the hub.

Importing pyannote.audio takes twenty seconds, so nothing here does before there is something to
hear; and its weights may hold code, so only what a person has named is opened.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.diarization.turns import (
    FAILED,
    Diarization,
    OnProgress,
    VoiceBounds,
    VoiceTurn,
    missing_library,
    silence,
)
from offline.errors import DiarizerError
from speech.audio import SAMPLE_RATE_HZ
from speech.device import Device, torch_place

# pyannote.audio sends counts and durations to its makers unless this says no.
_TELEMETRY = "PYANNOTE_METRICS_ENABLED"


class PyannoteDiarizer:
    """Tells voices apart by a pipeline that somebody has named.

    Args:
        where: A folder with a `config.yaml`, or a name on the hub, such as
            `pyannote/speaker-diarization-community-1`, with `@REVISION` if wanted.
        device: "auto" takes a GPU where one works.
        cpu_threads: Threads of one inference; None = as torch likes.
    """

    def __init__(
        self, where: str, *, device: Device = "auto", cpu_threads: int | None = None
    ) -> None:
        self._where = where
        self._folder = Path(where) if Path(where).is_dir() else None
        self._device = device
        self._cpu_threads = cpu_threads
        self._pipeline: Any = None

    @property
    def name(self) -> str:
        """See `Diarizer.name`. Of a folder its own name, not where it lies."""
        shown = self._where if self._folder is None else self._folder.resolve().name
        return f"pyannote.audio pipeline {shown}"

    def describe(self) -> Mapping[str, object]:
        """See `Diarizer.describe`."""
        if self._folder is None:
            return {"diarizer": self.name}
        return {
            "diarizer": self.name,
            "weights": {
                path.relative_to(self._folder).as_posix(): _sha256(path)
                for path in sorted(self._folder.rglob("*"))
                if path.is_file()
            },
        }

    def diarize(
        self,
        samples: NDArray[np.float32],
        bounds: VoiceBounds,
        on_progress: OnProgress = lambda done_ratio: None,
    ) -> Diarization:
        """See `Diarizer.diarize`."""
        import torch

        pipeline = self._load()
        try:
            found = pipeline(
                {
                    "waveform": torch.from_numpy(samples)[None, :],
                    "sample_rate": SAMPLE_RATE_HZ,
                },
                min_speakers=bounds.at_least,
                max_speakers=bounds.at_most,
            )
        except (RuntimeError, ValueError, TypeError) as exc:
            raise DiarizerError(
                f"{self._where}: the pipeline fails on this recording ({type(exc).__name__})",
                FAILED,
            ) from None
        on_progress(1.0)
        return _diarization(found)

    def _load(self) -> Any:
        if self._pipeline is None:
            os.environ[_TELEMETRY] = "0"
            try:
                import torch
                from pyannote.audio import Pipeline
            except ImportError as exc:
                raise missing_library(exc) from None
            if self._cpu_threads is not None:
                torch.set_num_threads(self._cpu_threads)
            place = torch_place(self._device)
            name, _, revision = self._where.partition("@")
            try:
                self._pipeline = (
                    Pipeline.from_pretrained(self._folder)
                    if self._folder is not None
                    else Pipeline.from_pretrained(name, revision=revision or None)
                )
            except Exception as exc:  # of three libraries, and of whatever the pipeline names
                raise DiarizerError(
                    f"{self._where}: no pipeline of pyannote.audio can be loaded from it "
                    f"({type(exc).__name__}); give a folder with a config.yaml, or a name on the "
                    "hub that this account may read"
                ) from None
            if self._pipeline is None:
                raise DiarizerError(
                    f"{self._where}: the hub does not give this pipeline; accept its terms there "
                    "and set HF_TOKEN, or give a folder"
                )
            self._pipeline.to(torch.device(place))
        return self._pipeline


def _diarization(found: Any) -> Diarization:
    """What pyannote.audio found, in our words; the one place that knows its types."""
    labels = list(found.speaker_diarization.labels())
    if not labels:
        return silence()
    first_s = {
        label: min(segment.start for segment in found.speaker_diarization.label_timeline(label))
        for label in labels
    }
    order = sorted(labels, key=lambda label: (first_s[label], label))
    rank = {label: number for number, label in enumerate(order)}
    embeddings = (
        np.zeros((len(labels), 1), dtype=np.float32)
        if found.speaker_embeddings is None
        else np.asarray(found.speaker_embeddings, dtype=np.float32)[
            [labels.index(label) for label in order]
        ]
    )
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Diarization(
        turns=_turns(found.speaker_diarization, rank),
        exclusive=_turns(found.exclusive_speaker_diarization, rank),
        embeddings=embeddings / np.maximum(lengths, 1e-9),
    )


def _turns(annotation: Any, rank: Mapping[str, int]) -> tuple[VoiceTurn, ...]:
    tracks: Iterable[tuple[Any, Any, str]] = annotation.itertracks(yield_label=True)
    return tuple(
        sorted(
            VoiceTurn(start_s=max(0.0, s.start), end_s=s.end, voice=rank[label])
            for s, _, label in tracks
        )
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
