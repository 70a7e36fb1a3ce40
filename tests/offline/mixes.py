"""Mixes of separate tracks, and how well their voices are told apart."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.diarization.embedded import EmbeddedDiarizer
from offline.diarization.turns import VoiceTurn
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.vad import VadOptions, speech_ranges
from tests.offline.builders import vad_model

FIXTURES = Path(__file__).parents[1] / "fixtures"
Spoken = tuple[float, float, str]  # start_s, end_s, speaker
# Tight, so that a pause between sentences is none of them.
_TIGHT = VadOptions(min_silence_ms=200, pad_ms=30, max_speech_s=600.0)
_MODELS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "earmark" / "models"


@cache
def diarizer() -> EmbeddedDiarizer:
    """The default one, loaded once for all tests, on one thread."""
    return EmbeddedDiarizer(models_dir=_MODELS, device="cpu", cpu_threads=1)


@cache
def pyannote_sample() -> tuple[NDArray[np.float32], tuple[Spoken, ...]]:
    """Thirty seconds of a real telephone call and who speaks when, of pyannote.audio (MIT)."""
    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "sample"
    spoken = []
    for line in (folder / "sample.rttm").read_text().splitlines():
        _, _, _, start, duration, _, _, speaker, *_ = line.split()
        spoken.append((float(start), float(start) + float(duration), speaker))
    return decode(folder / "sample.wav").samples[0], tuple(spoken)


@cache
def track(name: str) -> NDArray[np.float32]:
    """One side of a made call of the fixtures, shape (n_samples,)."""
    return decode(FIXTURES / "audio" / f"{name}.ogg").samples[0]


def spoken_in(tracks: Mapping[str, NDArray[np.float32]]) -> tuple[Spoken, ...]:
    """Who speaks when, by speech detection on each track alone."""
    return tuple(
        sorted(
            (found.start_sample / SAMPLE_RATE_HZ, found.end_sample / SAMPLE_RATE_HZ, speaker)
            for speaker, samples in tracks.items()
            for found in speech_ranges(samples, vad_model(), _TIGHT)
        )
    )


def mixed(tracks: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """All tracks in one, as a room composite has them."""
    length = max(len(samples) for samples in tracks.values())
    mix = np.zeros(length, dtype=np.float32)
    for samples in tracks.values():
        mix[: len(samples)] += samples
    return np.clip(mix, -1.0, 1.0)


def error_rate(turns: Sequence[VoiceTurn], spoken: Sequence[Spoken], duration_s: float) -> float:
    """Diarization error rate by pyannote.metrics: overlapping speech scored, no collar."""
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    reference, hypothesis = Annotation(), Annotation()
    for number, (start_s, end_s, speaker) in enumerate(spoken):
        reference[Segment(start_s, end_s), number] = speaker
    for number, turn in enumerate(turns):
        hypothesis[Segment(turn.start_s, turn.end_s), number] = f"V{turn.voice}"
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    return float(metric(reference, hypothesis, uem=Timeline([Segment(0.0, duration_s)])))


def script(name: str) -> dict[str, str]:
    """What each side of a made call says, by speaker."""
    said: dict[str, list[str]] = {}
    for line in json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))["lines"]:
        said.setdefault(line["speaker"], []).append(line["text"])
    return {speaker: " ".join(texts) for speaker, texts in said.items()}


def plain_words(text: str) -> list[str]:
    """Words without case and marks."""
    kept = "".join(c if c.isalnum() or c.isspace() else "" for c in text.lower())
    return kept.split()


def cpwer(said: Sequence[list[str]], heard: Sequence[list[str]]) -> float:
    """Word error rate where words given to the wrong speaker count as wrong.

    Each speaker's words are put in a row, and speakers are matched so that the fewest words are
    wrong (Watanabe et al., CHiME-6, 2020: concatenated minimum-permutation word error rate).
    """
    n = max(len(said), len(heard))
    references = [*said, *([[]] * (n - len(said)))]
    hypotheses = [*heard, *([[]] * (n - len(heard)))]
    n_wrong = min(
        sum(_distance(r, h) for r, h in zip(references, chosen, strict=True))
        for chosen in permutations(hypotheses)
    )
    return n_wrong / sum(map(len, said))


def _distance(said: Sequence[str], heard: Sequence[str]) -> int:
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]
