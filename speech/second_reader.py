"""The second reading of spoken digits: several readings of one piece of speech, by a larger model.

Whisper loses and doubles digits. A larger one does so less, and under a prompt of digits less
still, but a prompt also makes it write digits where none were said. So nothing here is believed by
itself: the readings are offered, and whoever asked takes the one that makes a whole number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.batched_whisper import BatchedWhisper
from speech.recogniser import SHORTEST_WORD_S, RecognisedWord, Recognition
from speech.whisper import WhisperOptions

# How digits look in writing: in groups and alone. None of them is a number that anybody has.
PROMPT = "The number is 4 0 9 7, 5 2, double 8, 3 1 6 - 4 0 2 7. Yes, 5 1 9 - 4 6 - 8 3 0 2."
_MAX_READINGS = 5
# So many digits in a row as the prompt has them were read in the prompt, not heard.
_ECHO_DIGITS = 6


class SecondReader:
    """Whisper, asked for several readings of one piece of speech.

    Args:
        model_dir: Folder with the converted weights.
        name: Id of the weights.
        cpu_threads: Threads of one inference.

    Raises:
        RecogniserError: the folder holds no model that CTranslate2 can load.
    """

    def __init__(self, model_dir: Path, *, name: str, cpu_threads: int = 1) -> None:
        options = WhisperOptions(beam_size=1)
        self._whisper = BatchedWhisper(model_dir, options, name=name, cpu_threads=cpu_threads)
        self.name = self._whisper.name

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """Read pieces of speech, each by itself.

        Args:
            pieces: Each mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0], at most thirty
                seconds. Not modified.

        Returns:
            For each the plain reading, and other ones, under a prompt of digits, in `others`.

        Raises:
            RecogniserError: the engine failed, or a piece is too long for one window.
        """
        return tuple(self._read(piece) for piece in pieces)

    def close(self) -> None:
        """Let go of the weights."""
        self._whisper.close()

    def _read(self, samples: NDArray[np.float32]) -> Recognition:
        if len(samples) < SHORTEST_WORD_S * SAMPLE_RATE_HZ:
            return Recognition(words=())
        plain, *prompted = self._whisper.readings(samples, PROMPT, _MAX_READINGS)
        return Recognition(
            words=plain.words,
            looped_from_s=plain.looped_from_s,
            others=tuple(r.words for r in prompted if r.words and not _is_echo(r.words)),
        )


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _is_echo(words: Sequence[RecognisedWord]) -> bool:
    """Whether a reading repeats the prompt's digits, which it may do where nothing is clear."""
    prompt = _digits(PROMPT)
    heard = _digits(" ".join(word.text for word in words))
    return any(prompt[i : i + _ECHO_DIGITS] in heard for i in range(len(prompt) - _ECHO_DIGITS + 1))
