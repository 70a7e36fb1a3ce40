"""A recogniser engine that is scripted from plain data: the edge where speech becomes words."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speech.errors import RecogniserError
from speech.recogniser import RecognisedWord, Recognition

Samples = NDArray[np.float32]


@dataclass
class ScriptedEngine:
    """Writes one word a piece, its number of samples; may be held, and fails on some lengths."""

    fails_on: frozenset[int] = frozenset()
    batches: list[list[int]] = field(default_factory=list)  # lengths of what came together
    free: threading.Event = field(default_factory=threading.Event)  # it works while this is set
    begun: threading.Event = field(default_factory=threading.Event)
    closed: bool = False

    def recognise(self, pieces: Sequence[Samples]) -> tuple[Recognition, ...]:
        """Write by plan."""
        self.batches.append([len(piece) for piece in pieces])
        self.begun.set()
        if not self.free.wait(timeout=30):
            raise RecogniserError("held for too long")
        if any(len(piece) in self.fails_on for piece in pieces):
            raise RecogniserError("planned")
        return tuple(Recognition(words=(word(str(len(piece))),)) for piece in pieces)

    def close(self) -> None:
        """Note it."""
        self.closed = True


def word(text: str, start_s: float = 0.0, end_s: float = 0.1) -> RecognisedWord:
    """A word of which the time does not matter."""
    return RecognisedWord(text=text, start_s=start_s, end_s=end_s, confidence=0.9)


def sound(n_samples: int) -> Samples:
    """Samples of which only the number matters."""
    return np.zeros(n_samples, np.float32)
