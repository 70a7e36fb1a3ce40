"""Whisper on CTranslate2: pieces of speech, decoded together, in a window of their own length.

Whisper was trained on windows of thirty seconds, and faster-whisper pads every piece to one. Most
of the time of a short piece goes into encoding that padding. CTranslate2 also encodes shorter
windows; with enough silence behind the speech the words stay the same (measured:
docs/architecture.md, "The fast path").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.device import GpuError
from speech.errors import RecogniserError
from speech.recogniser import RecognisedWord, Recognition
from speech.whisper import (
    WhisperOptions,
    guarded,
    is_silence,
    load_whisper,
    max_new_tokens,
    recognised,
)

_FRAMES_PER_S = 100  # of the spectrogram
_MAX_FRAMES = 3000  # what the weights have positions for
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - as faster-whisper writes them


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How long a window the encoder hears for a piece of speech."""

    margin_s: float = 3.0  # silence behind the speech
    least_s: float = 10.0

    def n_frames(self, duration_s: float) -> int:
        """Frames of the spectrogram, an even number: the encoder halves them."""
        wanted_s = max(self.least_s, duration_s + self.margin_s)
        return min(_MAX_FRAMES, 2 * int(wanted_s * _FRAMES_PER_S / 2))


class BatchedWhisper:
    """Whisper on CTranslate2, several pieces of speech at a time.

    Args:
        model_dir: Folder with the converted weights.
        options: How to decode.
        name: Id of the weights; the recogniser's own name adds engine and arithmetic.
        cpu_threads: Threads of one inference.
        window: What the encoder hears.
        device: "cpu" or "cuda".
        batch_size: How many pieces are worth being given at once.

    Raises:
        RecogniserError: the folder holds no model that CTranslate2 can load.
    """

    def __init__(
        self,
        model_dir: Path,
        options: WhisperOptions,
        *,
        name: str,
        cpu_threads: int = 2,
        window: Window | None = None,
        device: str = "cpu",
        batch_size: int = 4,
    ) -> None:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        self.name = f"{name} ({options.compute_type}, beam {options.beam_size})"
        self.batch_size = batch_size
        self._options = options
        self._window = window or Window()
        self._model: Any = load_whisper(model_dir, options, cpu_threads=cpu_threads, device=device)
        self._tokenizer: Any = Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=options.language,
        )
        self._suppressed = list(get_suppressed_tokens(self._tokenizer, [-1]))
        self._prompt = self._model.get_prompt(self._tokenizer, [], without_timestamps=True)

    def try_out(self) -> None:
        """Hear a little silence, so that what the device lacks shows now and not in a call.

        Raises:
            GpuError: the device cannot do it.
        """
        try:
            self._written([np.zeros(SAMPLE_RATE_HZ, dtype=np.float32)], [1.0])
        except RuntimeError as exc:
            raise GpuError(str(exc)) from None

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """Recognise one piece of speech; see `Recogniser`."""
        return self.recognise([samples])[0].words

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """Recognise pieces of speech together.

        Args:
            pieces: Each mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0], at most thirty
                seconds. Not modified.

        Returns:
            What was heard in each, in the same order.

        Raises:
            RecogniserError: the engine failed, or a piece is too long for one window.
        """
        durations_s = [len(piece) / SAMPLE_RATE_HZ for piece in pieces]
        self._check_lengths(durations_s)
        return recognised(pieces, durations_s, self._written, name=self.name, options=self._options)

    def readings(
        self, samples: NDArray[np.float32], prompt: str, n_most: int
    ) -> tuple[Recognition, ...]:
        """Read one piece of speech in several ways.

        Args:
            samples: As a piece of `recognise`.
            prompt: Text that the piece is read under, for all readings but the first.
            n_most: How many readings under the prompt.

        Returns:
            The plain reading first, and then those under the prompt, the likeliest first; those
            that differ only in how they are written are left out.

        Raises:
            RecogniserError: the engine failed, or the piece is too long for one window.
        """
        duration_s = len(samples) / SAMPLE_RATE_HZ
        self._check_lengths([duration_s])
        try:
            spectra, encoded = self._encoded([samples], duration_s)
            plain = self._generated(encoded, self._prompt, duration_s)[0]
            context = self._tokenizer.encode(" " + prompt)
            before = self._model.get_prompt(self._tokenizer, context, without_timestamps=True)
            prompted = self._generated(encoded, before, duration_s, n_hypotheses=n_most)[0]
            kept = [self._kept(plain, duration_s)]
            kept += [self._kept(prompted, duration_s, i) for i in range(n_most)]
            # To find the words' times costs about as much as to read them.
            distinct = {_as_read(self._tokenizer.decode(tokens)): tokens for tokens in kept[::-1]}
            ordered = [tokens for tokens in kept if any(tokens is d for d in distinct.values())]
            read = [self._aligned([tokens], encoded, spectra)[0] for tokens in ordered]
        except (RuntimeError, ValueError, IndexError) as exc:
            raise RecogniserError(f"{self.name} failed ({type(exc).__name__})") from None
        return tuple(guarded(words, duration_s, self._options) for words in read)

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _check_lengths(self, durations_s: Sequence[float]) -> None:
        if any(duration_s > _MAX_FRAMES / _FRAMES_PER_S for duration_s in durations_s):
            raise RecogniserError(f"{self.name} hears at most thirty seconds at a time")

    def _written(
        self, pieces: Sequence[NDArray[np.float32]], durations_s: Sequence[float]
    ) -> list[list[_Written]]:
        spectra, encoded = self._encoded(pieces, max(durations_s))
        results = self._generated(encoded, self._prompt, max(durations_s))
        tokens = [
            self._kept(result, duration_s)
            for result, duration_s in zip(results, durations_s, strict=True)
        ]
        return self._aligned(tokens, encoded, spectra)

    def _encoded(self, pieces: Sequence[NDArray[np.float32]], longest_s: float) -> tuple[Any, Any]:
        """The spectra of pieces, and what the encoder makes of them."""
        from faster_whisper.audio import pad_or_trim

        # As faster-whisper does it, the spectrogram is padded and not the sound.
        spectra = [self._model.feature_extractor(piece)[..., :-1] for piece in pieces]
        n_frames = self._window.n_frames(longest_s)
        return spectra, self._model.encode(np.stack([pad_or_trim(s, n_frames) for s in spectra]))

    def _generated(
        self, encoded: Any, prompt: Sequence[int], longest_s: float, *, n_hypotheses: int = 1
    ) -> Any:
        return self._model.model.generate(
            encoded,
            [prompt] * encoded.shape[0],
            beam_size=max(self._options.beam_size, n_hypotheses),
            num_hypotheses=n_hypotheses,
            max_length=len(prompt) + max_new_tokens(longest_s),
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )

    def _aligned(
        self, tokens: Sequence[Sequence[int]], encoded: Any, spectra: Any
    ) -> list[list[_Written]]:
        alignments = self._model.find_alignment(
            self._tokenizer, tokens, encoded, [spectrum.shape[-1] for spectrum in spectra]
        )
        return [[_Written.of(word) for word in merged(words)] for words in alignments]

    def _kept(self, result: Any, duration_s: float, i: int = 0) -> list[int]:
        """The tokens of a reading, none where the decoder itself takes it for no speech."""
        tokens = [t for t in result.sequences_ids[i] if t < self._tokenizer.eot]
        n_scored = len(result.sequences_ids[i])
        log_prob = result.scores[i] * n_scored / (n_scored + 1)
        if is_silence(self._options, no_speech_prob=result.no_speech_prob, log_prob=log_prob):
            return []
        return tokens[: max_new_tokens(duration_s)]


def _as_read(text: str) -> str:
    """What of a text could be heard."""
    return re.sub(r"[\W_]+", "", text.casefold())


@dataclass(frozen=True, slots=True)
class _Written:
    """A word as faster-whisper's aligner gives it."""

    word: str
    start: float
    end: float
    probability: float

    @classmethod
    def of(cls, aligned: dict[str, Any]) -> _Written:
        return cls(
            word=aligned["word"],
            start=float(aligned["start"]),
            end=float(aligned["end"]),
            probability=float(aligned["probability"]),
        )


def merged(aligned: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Words with the punctuation that belongs to them."""
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(aligned, _PREPENDED, _APPENDED)
    return [word for word in aligned if word["word"]]
