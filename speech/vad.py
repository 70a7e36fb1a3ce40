"""Voice activity detection: Silero, streaming, the same for live tracks and for recordings."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.spool import blocks

# The model scores 512 samples at a time, each with the 64 before it
# (snakers4/silero-vad, src/silero_vad/utils_vad.py).
_WINDOW_SAMPLES = 512
_CONTEXT_SAMPLES = 64
_STATE_SIZE = 128
# A cut looks for quiet of about the length of a pause between words: 5 windows are 160 ms. One
# quiet window alone may lie within a word, and half a word is heard twice.
_PAUSE_WINDOWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VadOptions:
    """When a piece of speech begins and ends."""

    threshold: float = 0.5  # speech begins at this probability
    neg_threshold: float = 0.35  # and pauses below this one
    min_speech_ms: int = 96  # shorter sounds are clicks
    min_silence_ms: int  # a pause of this length ends a piece of speech
    pad_ms: int  # kept before and after
    max_speech_s: float  # a longer piece is cut at its quietest point

    def __post_init__(self) -> None:
        if not 0 < self.neg_threshold <= self.threshold < 1:
            raise ValueError("need 0 < neg_threshold <= threshold < 1")
        if self.max_speech_s < 1 or min(self.min_speech_ms, self.min_silence_ms, self.pad_ms) < 0:
            raise ValueError("need max_speech_s >= 1 and no negative length")


# Live, a pause ends an utterance soon, and a monologue is flagged while it goes on.
LIVE = VadOptions(min_silence_ms=400, pad_ms=160, max_speech_s=8.0)
# A recording can wait: longer pieces give the recogniser more to go by. Whisper hears 30 s at once.
AUDIT = VadOptions(min_silence_ms=700, pad_ms=240, max_speech_s=26.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRange:
    """Half-open range [start_sample, end_sample) of a stream."""

    start_sample: int
    end_sample: int

    @property
    def start_s(self) -> float:
        """Where it begins, in seconds."""
        return self.start_sample / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds."""
        return self.end_sample / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Somebody began to speak."""

    start_sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """A piece of speech is whole."""

    start_sample: int
    end_sample: int


SpeechEvent = SpeechStarted | SpeechEnded


class VadModel:
    """Silero's weights, shared by any number of detectors.

    Args:
        path: The ONNX file `silero_vad_v6.onnx`.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        # Threads that spin between calls would take a core from the recogniser.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def score(
        self,
        window: NDArray[np.float32],
        hidden: NDArray[np.float32],
        cell: NDArray[np.float32],
    ) -> tuple[float, NDArray[np.float32], NDArray[np.float32]]:
        """Score one window.

        Args:
            window: Shape (1, 576): the context and the window itself.
            hidden: Shape (1, 1, 128), from the window before.
            cell: Shape (1, 1, 128), from the window before.

        Returns:
            Probability of speech in [0.0, 1.0], and the state for the next window.
        """
        scores, hidden, cell = self._session.run(None, {"input": window, "h": hidden, "c": cell})
        return float(scores.reshape(-1)[0]), hidden, cell


class SpeechDetector:
    """Finds speech in one stream. Any split of the same samples into pushes finds the same.

    Args:
        model: Shared weights.
        options: When a piece of speech begins and ends.
    """

    def __init__(self, model: VadModel, options: VadOptions) -> None:
        self._model = model
        self._options = options
        self._pad = options.pad_ms * SAMPLE_RATE_HZ // 1000
        self._min_speech = options.min_speech_ms * SAMPLE_RATE_HZ // 1000
        self._min_silence = options.min_silence_ms * SAMPLE_RATE_HZ // 1000
        self._max_speech = int(options.max_speech_s * SAMPLE_RATE_HZ)
        self._hidden = np.zeros((1, 1, _STATE_SIZE), dtype=np.float32)
        self._cell = np.zeros((1, 1, _STATE_SIZE), dtype=np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, dtype=np.float32)
        self._rest = np.zeros(0, dtype=np.float32)
        self._n_scored = 0
        self._n_pushed = 0
        self._last_end = 0  # pieces never overlap, padding included
        self._maybe_since: int | None = None  # sound that may turn out to be speech
        self._speech_since: int | None = None
        self._silence_since: int | None = None
        self._energies: deque[float] = deque(maxlen=_PAUSE_WINDOWS)
        self._quietest: tuple[float, int] | None = None  # energy and position, for a cut

    @property
    def n_samples(self) -> int:
        """How many samples were pushed."""
        return self._n_pushed

    @property
    def speech_since_sample(self) -> int | None:
        """Start of the piece of speech in progress, None while nobody speaks."""
        if self._speech_since is not None:
            return self._speech_since
        if self._maybe_since is not None:
            return self._padded(self._maybe_since)
        return None

    @property
    def in_progress(self) -> SampleRange | None:
        """The piece of speech in progress, as it would be cut if it ended now; None in silence.

        In a pause that is longer than the padding the range no longer grows: it is the very range
        that will be reported, should the pause go on.
        """
        if self._speech_since is None:
            return None
        end = self._n_scored
        if self._silence_since is not None:
            end = min(self._silence_since + self._pad, end)
        if end <= self._speech_since:
            return None
        return SampleRange(start_sample=self._speech_since, end_sample=end)

    @property
    def is_pausing(self) -> bool:
        """Whether the piece of speech in progress has been silent for longer than its padding."""
        return (
            self._speech_since is not None
            and self._silence_since is not None
            and self._n_scored - self._silence_since >= self._pad
        )

    def push(self, samples: NDArray[np.float32]) -> tuple[SpeechEvent, ...]:
        """Hear the next samples.

        Args:
            samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.

        Returns:
            What happened, in order.

        Raises:
            ValueError: samples is not one-dimensional.
        """
        if samples.ndim != 1:
            raise ValueError("samples must be one-dimensional")
        self._n_pushed += len(samples)
        self._rest = np.concatenate((self._rest, samples.astype(np.float32, copy=False)))
        events: list[SpeechEvent] = []
        start = 0
        while len(self._rest) - start >= _WINDOW_SAMPLES:
            self._window(self._rest[start : start + _WINDOW_SAMPLES], _WINDOW_SAMPLES, events)
            start += _WINDOW_SAMPLES
        self._rest = self._rest[start:].copy()
        return tuple(events)

    def flush(self) -> tuple[SpeechEvent, ...]:
        """Score what is left and end the piece of speech in progress. More may be pushed after."""
        events: list[SpeechEvent] = []
        n_rest = len(self._rest)
        if n_rest:
            window = np.zeros(_WINDOW_SAMPLES, dtype=np.float32)
            window[:n_rest] = self._rest
            self._rest = self._rest[:0]
            self._window(window, n_rest, events)
        if self._speech_since is not None:
            end = self._n_scored if self._silence_since is None else self._silence_since + self._pad
            self._end(min(end, self._n_scored), events)
        self._maybe_since = None
        return tuple(events)

    def _window(self, window: NDArray[np.float32], n_real: int, events: list[SpeechEvent]) -> None:
        position = self._n_scored
        scored = np.concatenate((self._context, window))[np.newaxis, :]
        probability, self._hidden, self._cell = self._model.score(scored, self._hidden, self._cell)
        self._context = window[-_CONTEXT_SAMPLES:].copy()
        self._n_scored += n_real
        if self._speech_since is None:
            self._wait(position, probability, events)
        else:
            self._follow(position, probability, float(np.dot(window, window)), events)

    def _wait(self, position: int, probability: float, events: list[SpeechEvent]) -> None:
        if probability >= self._options.threshold:
            if self._maybe_since is None:
                self._maybe_since = position
            if self._n_scored - self._maybe_since >= self._min_speech:
                self._speech_since = self._padded(self._maybe_since)
                self._maybe_since = None
                self._silence_since = self._quietest = None
                events.append(SpeechStarted(start_sample=self._speech_since))
        elif probability < self._options.neg_threshold:
            self._maybe_since = None

    def _follow(
        self, position: int, probability: float, energy: float, events: list[SpeechEvent]
    ) -> None:
        assert self._speech_since is not None  # noqa: S101 - narrows for the type checker
        if probability >= self._options.threshold:
            self._silence_since = None
        elif probability < self._options.neg_threshold and self._silence_since is None:
            self._silence_since = position
        if (
            self._silence_since is not None
            and self._n_scored - self._silence_since >= self._min_silence
        ):
            self._end(min(self._silence_since + self._pad, self._n_scored), events)
            return
        # A cut in the first half would leave a piece that is soon too long again.
        self._energies.append(energy)
        if position - self._speech_since >= self._max_speech // 2:
            loudness = sum(self._energies)
            if self._quietest is None or loudness <= self._quietest[0]:
                middle = self._n_scored - len(self._energies) * _WINDOW_SAMPLES // 2
                self._quietest = (loudness, middle)
        if self._n_scored - self._speech_since >= self._max_speech:
            if self._silence_since is not None:
                # In a pause: the piece ends with it, and silence needs no piece of its own.
                self._end(min(self._silence_since + self._pad, self._n_scored), events)
                return
            cut = self._n_scored if self._quietest is None else self._quietest[1]
            cut = min(cut, self._n_scored)
            events.append(SpeechEnded(start_sample=self._speech_since, end_sample=cut))
            events.append(SpeechStarted(start_sample=cut))
            self._speech_since = self._last_end = cut
            self._quietest = None

    def _end(self, end: int, events: list[SpeechEvent]) -> None:
        assert self._speech_since is not None  # noqa: S101 - narrows for the type checker
        if end > self._speech_since:
            events.append(SpeechEnded(start_sample=self._speech_since, end_sample=end))
            self._last_end = end
        self._speech_since = self._silence_since = self._quietest = None

    def _padded(self, start: int) -> int:
        return max(start - self._pad, self._last_end)


def speech_ranges(
    samples: NDArray[np.float32], model: VadModel, options: VadOptions
) -> tuple[SampleRange, ...]:
    """All speech in a recording, in order and without overlap.

    Args:
        samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0].
        model: Speech detection weights.
        options: When a piece of speech begins and ends.
    """
    detector = SpeechDetector(model, options)
    events: list[SpeechEvent] = []
    for block in blocks(samples):
        # A push copies what it is given, and a recording may be hours long.
        events += detector.push(block)
    events += detector.flush()
    return tuple(
        SampleRange(start_sample=event.start_sample, end_sample=event.end_sample)
        for event in events
        if isinstance(event, SpeechEnded)
    )
