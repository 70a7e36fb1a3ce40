"""An ear: one track's way from samples to pieces of speech, and from words back to the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rules.types import Span, Utterance, utterance_from_words
from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import RecognisedWord
from speech.vad import SpeechDetector, SpeechEnded, VadModel, VadOptions

# A detected piece of speech may begin this long before the detector is sure of it: its minimum
# length plus its padding, with room to spare. Nothing older can still come.
_DECISION_LAG_S = 0.6
# What is kept before the start of speech in progress, for the padding of a segment.
_KEPT_BEFORE_SAMPLES = 2 * SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of speech, cut out and ready for a recogniser."""

    index: int  # counts up within one ear
    start_sample: int  # position in the ear's stream
    samples: NDArray[np.float32] = field(repr=False)  # shape (n_samples,), 16 kHz

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


class Ear:
    """Cuts the speech out of one continuous stream of samples.

    Positions count samples from the first one, which lies at `anchor_s` on the call clock; whoever
    feeds the ear fills holes with silence, so that the count stays true.

    Args:
        speaker: Identity of who is heard.
        track_id: Names the utterances; no personal data.
        anchor_s: Call-clock position of the first sample.
        model: Loaded speech detection weights, shared by all ears.
        options: When a piece of speech begins and ends.
    """

    def __init__(
        self,
        *,
        speaker: str,
        track_id: str,
        anchor_s: float,
        model: VadModel,
        options: VadOptions,
    ) -> None:
        self.speaker = speaker
        self.track_id = track_id
        self.anchor_s = anchor_s
        # Where the stream delivers nothing: whoever feeds the ear vouches for silence up to here.
        self.silent_until_s = 0.0
        self._detector = SpeechDetector(model, options)
        self._kept: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._kept_from_sample = 0
        self._n_segments = 0
        self._open: dict[int, int] = {}  # index of a segment without words yet: its first sample

    @property
    def position_s(self) -> float:
        """Call-clock position just behind the last sample."""
        return self.anchor_s + self._detector.n_samples / SAMPLE_RATE_HZ

    @property
    def idle(self) -> bool:
        """Whether nobody is speaking and every word has come."""
        return not self._open and self._detector.speech_since_sample is None

    @property
    def heard_until_s(self) -> float:
        """Everything said before this call-clock position has become an utterance."""
        positions = [max(0, self._detector.n_samples - int(_DECISION_LAG_S * SAMPLE_RATE_HZ))]
        if self._detector.speech_since_sample is not None:
            positions.append(self._detector.speech_since_sample)
        positions.extend(self._open.values())
        heard_until_s = self.anchor_s + min(positions) / SAMPLE_RATE_HZ
        return max(heard_until_s, self.silent_until_s) if self.idle else heard_until_s

    def push(self, samples: NDArray[np.float32]) -> tuple[Segment, ...]:
        """Hear the next samples.

        Args:
            samples: Mono PCM at 16 kHz, shape (n_samples,), range [-1.0, 1.0].

        Returns:
            The pieces of speech that ended, usually none.
        """
        self._kept = np.concatenate((self._kept, samples))
        events = self._detector.push(samples)
        segments = tuple(self._cut(event) for event in events if isinstance(event, SpeechEnded))
        self._forget()
        return segments

    def flush(self) -> tuple[Segment, ...]:
        """End the piece of speech in progress, because the stream ended or fell silent."""
        events = self._detector.flush()
        return tuple(self._cut(event) for event in events if isinstance(event, SpeechEnded))

    def utterance(self, segment: Segment, words: Sequence[RecognisedWord]) -> Utterance | None:
        """Settle a segment with its words.

        Returns:
            The utterance on the call clock, or None where the recogniser found no words.
        """
        self._open.pop(segment.index, None)
        if not words:
            return None
        offset_s = self.anchor_s + segment.start_sample / SAMPLE_RATE_HZ
        return utterance_from_words(
            (
                (word.text, Span(word.start_s + offset_s, word.end_s + offset_s), word.confidence)
                for word in words
            ),
            id=f"{self.track_id}/{segment.index}",
            speaker=self.speaker,
        )

    def lost(self, segment: Segment) -> Span:
        """Settle a segment whose words will never come.

        Returns:
            Where on the call clock nothing was understood.
        """
        self._open.pop(segment.index, None)
        start_s = self.anchor_s + segment.start_sample / SAMPLE_RATE_HZ
        return Span(start_s, start_s + segment.duration_s)

    def _cut(self, event: SpeechEnded) -> Segment:
        first = max(0, event.start_sample - self._kept_from_sample)
        last = event.end_sample - self._kept_from_sample
        segment = Segment(
            index=self._n_segments,
            start_sample=self._kept_from_sample + first,
            samples=self._kept[first:last].copy(),
        )
        self._n_segments += 1
        self._open[segment.index] = segment.start_sample
        return segment

    def _forget(self) -> None:
        since = self._detector.speech_since_sample
        needed_from = self._detector.n_samples if since is None else since
        surplus = needed_from - _KEPT_BEFORE_SAMPLES - self._kept_from_sample
        if surplus > SAMPLE_RATE_HZ:  # in steps of a second: each step copies what is kept
            self._kept = self._kept[surplus:].copy()
            self._kept_from_sample += surplus
