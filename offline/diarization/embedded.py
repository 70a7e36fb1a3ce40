"""The default diarizer: pinned weights that come inside a package, on any machine with torch.

Segmentation tells up to three people apart in windows of ten seconds, overlapping speech included.
What each of them sounds like says which of them are one voice; and the windows' own probabilities,
laid over each other, say when each voice speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offline.diarization.clustering import ClusterOptions, Pieces, assign, cluster, labels_of
from offline.diarization.frames import (
    FIRST_FRAME_SAMPLES,
    FRAME_SAMPLES,
    MIN_ROWS,
    ROW_SAMPLES,
    ROWS_PER_S,
    frame_s,
)
from offline.diarization.turns import (
    Diarization,
    OnProgress,
    VoiceBounds,
    VoiceTurn,
    missing_library,
    silence,
)
from speech.audio import SAMPLE_RATE_HZ
from speech.device import Device, torch_place
from speech.models import find_model, registry
from speech.spool import release

if TYPE_CHECKING:
    from offline.diarization.segmentation import Segmentation
    from offline.diarization.speaker_embedding import SpeakerEmbedding

SEGMENTATION_ID = "pyannote-segmentation-3.0"
EMBEDDING_ID = "campplus-zh-en"


# Measured 2026-11 on the sample of pyannote.audio, the same over a telephone, and 17 mixes of
# synthetic voices: 0.40 to 0.45 gave the right number of voices most often, and never two for one.
# From 0.55 on voices of real people fall together.
_CLUSTERS = ClusterOptions(threshold=0.42, min_train_s=1.5, min_voice_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedOptions:
    """How voices are told apart."""

    clusters: ClusterOptions = _CLUSTERS
    step_frames: int = 148  # from window to window: 148 * 270 samples are 2.5 s
    # Longer recordings are done piece by piece, so that memory stays the same however long they
    # are; voices of the pieces are linked by what they sound like.
    chunk_s: float = 600.0
    most_embedded_s: float = 4.0  # of one person in one window: more tells hardly more
    # By so much do lengths of what is embedded differ: pieces of one length are done together, and
    # each length takes memory for good.
    embedded_step_s: float = 0.1


DEFAULT = EmbeddedOptions()


class EmbeddedDiarizer:
    """Tells voices apart by pinned weights.

    Args:
        models_dir: Where weights are searched first.
        device: "auto" takes a GPU where one works.
        cpu_threads: Threads of one inference; None = as torch likes.
        options: See `EmbeddedOptions`.
    """

    name = f"{SEGMENTATION_ID} with {EMBEDDING_ID}"

    def __init__(
        self,
        *,
        models_dir: Path,
        device: Device = "auto",
        cpu_threads: int | None = None,
        options: EmbeddedOptions = DEFAULT,
    ) -> None:
        self._models_dir = models_dir
        self._device = device
        self._cpu_threads = cpu_threads
        self._options = options
        self._networks: tuple[Segmentation, SpeakerEmbedding] | None = None

    def describe(self) -> Mapping[str, object]:
        """See `Diarizer.describe`."""
        return {
            "diarizer": self.name,
            "weights": {
                model_id: {file.name: file.sha256 for file in registry()[model_id].files}
                for model_id in (SEGMENTATION_ID, EMBEDDING_ID)
            },
            "options": asdict(self._options),
        }

    def diarize(
        self,
        samples: NDArray[np.float32],
        bounds: VoiceBounds,
        on_progress: OnProgress = lambda done_ratio: None,
    ) -> Diarization:
        """See `Diarizer.diarize`."""
        self._load()
        length = int(self._options.chunk_s * SAMPLE_RATE_HZ)
        # The rest goes with the last piece: alone it may be too short to know a voice by.
        n_chunks = max(1, len(samples) // length)
        chunks: list[_Chunk] = []
        for number in range(n_chunks):
            begin = number * length
            end = len(samples) if number == n_chunks - 1 else begin + length
            chunks.append(self._chunk(samples[begin:end], begin, bounds))
            on_progress((number + 1) / n_chunks)
        return self._linked(chunks, bounds)

    def _load(self) -> tuple[Segmentation, SpeakerEmbedding]:
        if self._networks is None:
            try:
                import torch

                from offline.diarization.segmentation import Segmentation
                from offline.diarization.speaker_embedding import SpeakerEmbedding
            except ImportError as exc:
                raise missing_library(exc) from None
            if self._cpu_threads is not None:
                torch.set_num_threads(self._cpu_threads)
            place = torch_place(self._device)
            self._networks = (
                Segmentation(find_model(SEGMENTATION_ID, self._models_dir), place),
                SpeakerEmbedding(find_model(EMBEDDING_ID, self._models_dir), place),
            )
        return self._networks

    def _chunk(self, samples: NDArray[np.float32], begin: int, bounds: VoiceBounds) -> _Chunk:
        """One piece of a recording, its voices numbered on their own."""
        segmentation, _ = self._load()
        step = self._options.step_frames
        windows = list(segmentation.windows(samples, step))
        people = self._people(samples, windows)
        if not people.members:
            return _Chunk(begin=begin, activity=np.zeros((0, 0), np.float32), voices=_NO_VOICES)
        voices = cluster(
            people.pieces, self._options.clusters, min_voices=1, max_voices=bounds.at_most
        )
        assigned = dict(zip(people.members, assign(people.pieces, voices), strict=True))
        activity = _laid_over(windows, step, assigned, len(voices))
        n_frames = max(1, round(len(samples) / FRAME_SAMPLES))
        return _Chunk(begin=begin, activity=activity[:, :n_frames], voices=voices)

    def _people(self, samples: NDArray[np.float32], windows: list[NDArray[np.float32]]) -> _People:
        """Everybody in every window, and what they sound like where they speak alone."""
        _, embedding = self._load()
        features = embedding.features(samples)
        release(samples)
        most = round(self._options.most_embedded_s * ROWS_PER_S)
        step = round(self._options.embedded_step_s * ROWS_PER_S)
        members: list[tuple[int, int]] = []
        rows: list[NDArray[np.int64]] = []
        seconds: list[float] = []
        for number, scores in enumerate(windows):
            speaks = scores > _SPEAKS
            alone = speaks & (speaks.sum(axis=1, keepdims=True) == 1)
            for person in range(scores.shape[1]):
                alone_s = alone[:, person].sum() * FRAME_SAMPLES / SAMPLE_RATE_HZ
                frames = alone if alone_s >= _ENOUGH_ALONE_S else speaks
                heard = _feature_rows(
                    np.flatnonzero(frames[:, person]) + number * self._options.step_frames,
                    len(features),
                )
                if len(heard) < MIN_ROWS:
                    continue
                n_rows = min(len(heard), most) // step * step
                skipped = (len(heard) - n_rows) // 2
                members.append((number, person))
                rows.append(heard[skipped : skipped + n_rows])
                seconds.append(alone_s)
        return _People(
            members=members,
            pieces=Pieces(
                embeddings=embedding.embed(features, rows),
                seconds=np.array(seconds, dtype=np.float64),
                groups=np.array([number for number, _ in members], dtype=np.int64),
            ),
        )

    def _linked(self, chunks: list[_Chunk], bounds: VoiceBounds) -> Diarization:
        """The pieces as one recording: voices that sound alike are one."""
        voices = [voice for chunk in chunks for voice in chunk.voices]
        if not voices:
            return silence()
        vectors = np.stack(voices)
        groups = np.concatenate(
            [np.full(len(chunk.voices), n, np.int64) for n, chunk in enumerate(chunks)]
        )
        if len(chunks) == 1:
            labels = np.arange(len(vectors), dtype=np.int64)
        else:
            labels = labels_of(
                vectors,
                groups,
                threshold=self._options.clusters.threshold,
                min_voices=1,
                max_voices=bounds.at_most,
            )
        turns: list[VoiceTurn] = []
        exclusive: list[VoiceTurn] = []
        for number, chunk in enumerate(chunks):
            of_chunk = labels[groups == number]
            turns += chunk.turns(of_chunk, exclusive=False)
            exclusive += chunk.turns(of_chunk, exclusive=True)
        order = list(dict.fromkeys(turn.voice for turn in sorted(turns)))
        rank = {label: place for place, label in enumerate(order)}
        return Diarization(
            turns=_joined(turns, rank),
            exclusive=_joined(exclusive, rank),
            embeddings=np.stack([_mean(vectors[labels == label]) for label in order])
            if order
            else _NO_VOICES,
        )


# A person speaks where the network gives it more than this.
_SPEAKS = 0.5
# With less speech of somebody alone, the overlapped part says more.
_ENOUGH_ALONE_S = 0.5
_NO_VOICES = np.zeros((0, 0), dtype=np.float32)
# Pieces of one recording touch: a turn that goes on over the seam is one turn.
_SEAM_S = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class _People:
    members: list[tuple[int, int]]  # window, and person in it
    pieces: Pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    begin: int  # sample
    activity: NDArray[np.float32] = field(repr=False)  # shape (n_voices, n_frames)
    voices: NDArray[np.float32] = field(repr=False)

    def turns(self, labels: NDArray[np.int64], *, exclusive: bool) -> list[VoiceTurn]:
        """When each voice speaks, voices numbered by their labels."""
        if not len(self.voices):
            return []
        best = self.activity.argmax(axis=0)
        anybody = self.activity.sum(axis=0) > _SPEAKS
        found: list[VoiceTurn] = []
        for voice, label in enumerate(labels):
            speaks = anybody & (best == voice)
            if not exclusive:
                speaks |= self.activity[voice] > _SPEAKS
            edges = np.flatnonzero(np.diff(np.concatenate(([0], speaks.astype(np.int8), [0]))))
            for first, last in edges.reshape(-1, 2):
                found.append(
                    VoiceTurn(
                        start_s=frame_s(int(first), self.begin),
                        end_s=frame_s(int(last), self.begin),
                        voice=int(label),
                    )
                )
        return found


def _feature_rows(frames: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """The rows of features, one every 10 ms, that lie in frames."""
    first = (frames * FRAME_SAMPLES + FIRST_FRAME_SAMPLES) // ROW_SAMPLES
    # A frame is 1.7 rows long.
    rows = np.unique(np.concatenate((first, first + 1)))
    return rows[rows < n_rows]


def _laid_over(
    windows: list[NDArray[np.float32]],
    step: int,
    assigned: Mapping[tuple[int, int], np.int64],
    n_voices: int,
) -> NDArray[np.float32]:
    """How likely each voice speaks in each frame: the mean over the windows that see it."""
    length = (len(windows) - 1) * step + len(windows[0])
    activity = np.zeros((n_voices, length), dtype=np.float32)
    seen = np.zeros(length, dtype=np.float32)
    for number, scores in enumerate(windows):
        here = slice(number * step, number * step + len(scores))
        seen[here] += 1
        for person in range(scores.shape[1]):
            voice = assigned.get((number, person), -1)
            if voice >= 0:
                activity[voice, here] += scores[:, person]
    activity /= np.maximum(seen, 1)
    return activity


def _joined(turns: list[VoiceTurn], rank: Mapping[int, int]) -> tuple[VoiceTurn, ...]:
    last: dict[int, VoiceTurn] = {}
    done: list[VoiceTurn] = []
    for turn in sorted(turns):
        voice = rank.get(turn.voice)
        if voice is None:
            continue
        before = last.get(voice)
        if before is not None and turn.start_s - before.end_s <= _SEAM_S:
            last[voice] = VoiceTurn(
                start_s=before.start_s, end_s=max(before.end_s, turn.end_s), voice=voice
            )
            continue
        if before is not None:
            done.append(before)
        last[voice] = VoiceTurn(start_s=turn.start_s, end_s=turn.end_s, voice=voice)
    return tuple(sorted([*done, *last.values()]))


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = vectors.mean(axis=0, dtype=np.float32)
    length = max(float(np.linalg.norm(mean)), 1e-9)
    result: NDArray[np.float32] = (mean / length).astype(np.float32, copy=False)
    return result
