"""From a voice to utterances on the call clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from offline.attribute import Voice
from offline.clock import RecordingClock
from offline.engines import Loaded
from rules.types import Span, Utterance, utterance_from_words
from speech.audio import SAMPLE_RATE_HZ
from speech.errors import RecogniserError
from speech.recogniser import RecognisedWord
from speech.vad import AUDIT, SampleRange, speech_ranges

# A pause within a piece of speech that ends an utterance: where a listener would hear a full stop.
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What a voice said, and where it could not be understood."""

    utterances: tuple[Utterance, ...]
    speech: tuple[Span, ...]  # where somebody speaks, whether understood or not
    failed: tuple[Span, ...]  # speech that the recogniser failed on


def transcribe(
    voice: Voice,
    clock: RecordingClock,
    engines: Loaded,
    *,
    id: str,
    on_progress: Callable[[float], None] = lambda done_ratio: None,
) -> Transcript:
    """Turn a voice into utterances.

    Args:
        voice: Who speaks, and the sound.
        clock: Puts the recording on the call clock.
        engines: Speech detection and recogniser.
        id: Begins the ids of the utterances; unique within the call, no personal data.
        on_progress: Told how much is done, in [0.0, 1.0].
    """
    utterances: list[Utterance] = []
    speech: list[Span] = []
    failed: list[Span] = []
    for found in speech_ranges(voice.samples, engines.vad, AUDIT):
        start_s = found.start_sample / SAMPLE_RATE_HZ
        span = clock.span(start_s, found.end_sample / SAMPLE_RATE_HZ)
        speech.append(span)
        try:
            words = engines.recogniser.transcribe(
                voice.samples[found.start_sample : found.end_sample]
            )
        except RecogniserError:
            failed.append(span)
            continue
        finally:
            on_progress(found.end_sample / len(voice.samples))
        for timed in split_at_pauses(_on_clock(words, found, clock)):
            utterances.append(
                utterance_from_words(timed, id=f"{id}/{len(utterances)}", speaker=voice.speaker)
            )
    return Transcript(utterances=tuple(utterances), speech=tuple(speech), failed=tuple(failed))


TimedWord = tuple[str, Span, float | None]


def split_at_pauses(
    words: Iterable[TimedWord], pause_s: float = PAUSE_S
) -> Iterator[Sequence[TimedWord]]:
    """Cut words, in time order, wherever nothing is said for so long."""
    piece: list[TimedWord] = []
    for word in words:
        if piece and word[1].start_s - piece[-1][1].end_s >= pause_s:
            yield piece
            piece = []
        piece.append(word)
    if piece:
        yield piece


def _on_clock(
    words: Sequence[RecognisedWord], found: SampleRange, clock: RecordingClock
) -> Iterator[TimedWord]:
    start_s = found.start_sample / SAMPLE_RATE_HZ
    for word in words:
        span = clock.span(start_s + word.start_s, start_s + word.end_s)
        yield word.text, span, word.confidence
