"""Who speaks when in a sound, by voices that have no names yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from offline.errors import DiarizerError

OnProgress = Callable[[float], None]  # how much is done, in [0.0, 1.0]
FAILED: Final = "diarizer_failed"  # detail of a `DiarizerError`: not the models, this recording


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VoiceTurn:
    """A voice speaks, from one position of the recording to another."""

    start_s: float
    end_s: float
    voice: int  # from 0, in the order in which they are first heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Diarization:
    """What was found in one recording.

    Attributes:
        turns: In order; of different voices they may overlap.
        exclusive: In order; at each moment at most the one voice that is heard best. For words.
        embeddings: What each voice sounds like, shape (n_voices, n_dimensions), rows of length 1.
            They tell people apart, so nobody writes them down.
    """

    turns: tuple[VoiceTurn, ...]
    exclusive: tuple[VoiceTurn, ...]
    embeddings: NDArray[np.float32] = field(repr=False)

    @property
    def n_voices(self) -> int:
        """How many voices there are."""
        return len(self.embeddings)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceBounds:
    """How many voices there can be, where anybody speaks at all."""

    at_least: int = 1
    at_most: int | None = None  # None = nobody knows

    def __post_init__(self) -> None:
        if self.at_least < 1 or (self.at_most is not None and self.at_most < self.at_least):
            raise ValueError("need 1 <= at_least <= at_most")


class Diarizer(Protocol):
    """Tells voices apart."""

    @property
    def name(self) -> str:
        """Engine and models, as reports name them."""

    def describe(self) -> Mapping[str, object]:
        """All that decides the result, as JSON; no weights are needed for it."""

    def diarize(
        self,
        samples: NDArray[np.float32],
        bounds: VoiceBounds,
        on_progress: OnProgress = lambda done_ratio: None,
    ) -> Diarization:
        """Find who speaks when.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.
            bounds: How many voices there can be.
            on_progress: Told how much is done.

        Raises:
            DiarizerError: a library is missing, what it loads is not usable, or it fails on this
                recording (detail FAILED).
            ModelMissingError: weights are missing.
            ModelHashError: weights are not the pinned ones.
        """


def silence() -> Diarization:
    """Nobody speaks."""
    return Diarization(turns=(), exclusive=(), embeddings=np.zeros((0, 0), dtype=np.float32))


def missing_library(exc: ImportError) -> DiarizerError:
    """What to say where the extra is not installed."""
    return DiarizerError(
        f"telling voices apart needs {exc.name or 'a library'}, which is not installed: install "
        "the extra `earmark[offline]`, or give `--diarizer none`",
        "extra_missing",
    )
