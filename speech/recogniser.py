"""What every recogniser is: samples in, timed words out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognisedWord:
    """One word, as written, without white space; times count from the samples' beginning."""

    text: str = field(repr=False)
    start_s: float
    end_s: float  # after start_s, and within the samples
    confidence: float | None  # in [0.0, 1.0]; None = the model gives none


class Recogniser(Protocol):
    """Turns one piece of speech into words."""

    name: str  # engine, model and arithmetic, as reports name them

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """Recognise a piece of speech.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.

        Returns:
            Words in time order; none where nothing was said.

        Raises:
            RecogniserError: the engine failed.
        """

    def close(self) -> None:
        """Let go of the weights."""
