"""An ear: one track's way from samples to pieces of speech, and from words back to the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from realtime.agreement import Agreement
from rules.types import Span, Utterance, utterance_from_words
from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import RecognisedWord, clamped
from speech.vad import SampleRange, SpeechDetector, SpeechEnded, VadModel, VadOptions

# A detected piece of speech may begin this long before the detector is sure of it: its minimum
# length plus its padding, with room to spare. Nothing older can still come.
_DECISION_LAG_S = 0.6
# What is kept before the start of speech in progress, for the padding of a segment.
_KEPT_BEFORE_SAMPLES = 2 * SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of speech, cut out and ready for a recogniser.

    One that still grows has the index that it will have when it is whole.
    """

    index: int  # counts up within one ear
    start_sample: int  # position in the ear's stream
    samples: NDArray[np.float32] = field(repr=False)  # shape (n_samples,), 16 kHz

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def end_sample(self) -> int:
        """Position just behind its last sample."""
        return self.start_sample + len(self.samples)

    def is_same_sound(self, other: Segment) -> bool:
        """Whether both hold the same samples, so that a recogniser would hear the same."""
        return (self.start_sample, self.end_sample) == (other.start_sample, other.end_sample)


@dataclass(slots=True)
class _Interim:
    """What was told of a segment before its final words."""

    agreement: Agreement = field(default_factory=Agreement)
    n_told: int = 0
    latest: Utterance | None = None


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
        self._interims: dict[int, _Interim] = {}  # by index of a segment without final words

    @property
    def position_s(self) -> float:
        """Call-clock position just behind the last sample."""
        return self.anchor_s + self._detector.n_samples / SAMPLE_RATE_HZ

    @property
    def idle(self) -> bool:
        """Whether nobody is speaking and every word has come."""
        return not self._open and self._detector.speech_since_sample is None

    @property
    def awaits_words(self) -> bool:
        """Whether a piece of speech has ended whose final words have not come."""
        return bool(self._open)

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

    @property
    def is_pausing(self) -> bool:
        """Whether the piece of speech in progress seems to be over: it pauses."""
        return self._detector.is_pausing

    @property
    def in_progress(self) -> SampleRange | None:
        """Where the piece of speech in progress lies so far, None while nobody speaks."""
        return self._detector.in_progress

    def growing(self) -> Segment | None:
        """The piece of speech in progress as far as it has come, None while nobody speaks."""
        so_far = self._detector.in_progress
        if so_far is None:
            return None
        return self._segment(so_far.start_sample, so_far.end_sample)

    def interim(
        self, segment: Segment, words: Sequence[RecognisedWord], *, is_whole: bool
    ) -> Utterance | None:
        """Take the words of a pass over a segment that had not ended.

        Args:
            segment: As `growing` gave it.
            words: What the pass heard.
            is_whole: Whether the speaker paused where the segment ends.

        Returns:
            An interim utterance of what may be believed already; None where that is nothing new,
            or the segment has its final words.
        """
        if self._is_settled(segment):
            return None
        interim = self._interims.setdefault(segment.index, _Interim())
        believed = interim.agreement.hear(words, is_whole=is_whole)
        return self._told(segment, interim, believed) if believed else None

    def guessed(self, segment: Segment, words: Sequence[RecognisedWord]) -> Utterance | None:
        """What a pass over a segment that had not ended would say, were it believed.

        Returns:
            An interim utterance that must be told to nobody; None where there are no words, or the
            segment has its final ones.
        """
        if not words or self._is_settled(segment):
            return None
        interim = self._interims.get(segment.index)
        revision = interim.n_told if interim is not None else 0
        return self._said(segment, words, is_final=False, revision=revision)

    def believe(self, segment: Segment, words: Sequence[RecognisedWord]) -> Utterance | None:
        """Believe words of a segment that had not ended, although no two passes wrote them alike.

        Returns:
            An interim utterance of them; None as with `guessed`.
        """
        if not words or self._is_settled(segment):
            return None
        interim = self._interims.setdefault(segment.index, _Interim())
        interim.agreement.believe(words)
        return self._told(segment, interim, words)

    def utterance(self, segment: Segment, words: Sequence[RecognisedWord]) -> Utterance | None:
        """Settle a segment with its words.

        Returns:
            The utterance on the call clock, or None where the recogniser found no words. It has no
            words where interim ones were told and none is left of them.
        """
        self._open.pop(segment.index, None)
        interim = self._interims.pop(segment.index, None)
        revision = interim.n_told if interim is not None else 0
        if not words and revision == 0:
            return None
        return self._said(segment, words, is_final=True, revision=revision)

    def reading(self, segment: Segment, words: Sequence[RecognisedWord]) -> Utterance | None:
        """What `utterance` would give for these words; nothing is settled. None where none."""
        if not words:
            return None
        return self._said(segment, words, is_final=True, revision=0)

    def lost(self, segment: Segment) -> tuple[Span, Utterance | None]:
        """Settle a segment whose final words will never come.

        Returns:
            Where on the call clock nothing was understood; and what two passes had agreed on
            before, which has to stand for the final words.
        """
        self._open.pop(segment.index, None)
        interim = self._interims.pop(segment.index, None)
        whole = self._span(segment)
        if interim is None or interim.latest is None:
            return whole, None
        stands = replace(interim.latest, is_final=True, revision=interim.n_told)
        understood_until_s = min(stands.span.end_s, whole.end_s - 1 / SAMPLE_RATE_HZ)
        return Span(max(whole.start_s, understood_until_s), whole.end_s), stands

    def end_s(self, segment: Segment) -> float:
        """Call-clock position at which a segment ends."""
        return self._span(segment).end_s

    def unclear(self, segment: Segment, from_s: float) -> Span:
        """Where on the call clock nothing was understood, from a position within the segment."""
        whole = self._span(segment)
        latest_s = whole.end_s - 1 / SAMPLE_RATE_HZ
        return Span(min(whole.start_s + max(0.0, from_s), latest_s), whole.end_s)

    def _is_settled(self, segment: Segment) -> bool:
        return segment.index < self._n_segments and segment.index not in self._open

    def _told(
        self, segment: Segment, interim: _Interim, words: Sequence[RecognisedWord]
    ) -> Utterance:
        utterance = self._said(segment, words, is_final=False, revision=interim.n_told)
        interim.n_told += 1
        interim.latest = utterance
        return utterance

    def _span(self, segment: Segment) -> Span:
        start_s = self.anchor_s + segment.start_sample / SAMPLE_RATE_HZ
        return Span(start_s, start_s + segment.duration_s)

    def _said(
        self, segment: Segment, words: Sequence[RecognisedWord], *, is_final: bool, revision: int
    ) -> Utterance:
        id = f"{self.track_id}/{segment.index}"
        whole = self._span(segment)
        if not words:
            return Utterance(
                id=id, speaker=self.speaker, span=whole, text="", words=(),
                is_final=is_final, revision=revision,
            )  # fmt: skip
        return utterance_from_words(
            (
                (word.text, word.span_after(whole.start_s), word.confidence)
                for word in clamped(words, segment.duration_s)
            ),
            id=id,
            speaker=self.speaker,
            is_final=is_final,
            revision=revision,
        )

    def _cut(self, event: SpeechEnded) -> Segment:
        segment = self._segment(event.start_sample, event.end_sample)
        self._n_segments += 1
        self._open[segment.index] = segment.start_sample
        return segment

    def _segment(self, start_sample: int, end_sample: int) -> Segment:
        first = max(0, start_sample - self._kept_from_sample)
        last = end_sample - self._kept_from_sample
        return Segment(
            index=self._n_segments,
            start_sample=self._kept_from_sample + first,
            samples=self._kept[first:last].copy(),
        )

    def _forget(self) -> None:
        since = self._detector.speech_since_sample
        needed_from = self._detector.n_samples if since is None else since
        surplus = needed_from - _KEPT_BEFORE_SAMPLES - self._kept_from_sample
        if surplus > SAMPLE_RATE_HZ:  # in steps of a second: each step copies what is kept
            self._kept = self._kept[surplus:].copy()
            self._kept_from_sample += surplus
