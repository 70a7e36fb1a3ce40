"""From sound to words on the recording's clock, and from words to utterances on the call's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from offline.attribute import LaneVoices, speakers_of
from offline.clock import RecordingClock
from offline.engines import VAD_ID, Loaded
from offline.stages.records import HeardWord, Piece, Transcribed
from rules.types import Span, Utterance, utterance_from_words
from speech.audio import SAMPLE_RATE_HZ
from speech.errors import RecogniserError
from speech.vad import AUDIT, speech_ranges

# A pause within a piece of speech that ends an utterance: where a listener would hear a full stop.
PAUSE_S = 1.0


def transcribe(
    samples: NDArray[np.float32],
    engines: Loaded,
    on_progress: Callable[[float], None] = lambda done_ratio: None,
) -> Transcribed:
    """Find the speech in a sound, and write it down.

    Args:
        samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.
        engines: Speech detection and recogniser.
        on_progress: Told how much is done, in [0.0, 1.0].
    """
    pieces: list[Piece] = []
    for found in speech_ranges(samples, engines.vad, AUDIT):
        start_s = found.start_sample / SAMPLE_RATE_HZ
        words: tuple[HeardWord, ...] = ()
        is_failed = False
        try:
            words = tuple(
                HeardWord(
                    text=word.text,
                    start_s=start_s + word.start_s,
                    end_s=start_s + word.end_s,
                    confidence=word.confidence,
                )
                for word in engines.recogniser.transcribe(
                    samples[found.start_sample : found.end_sample]
                )
            )
        except RecogniserError:
            is_failed = True
        on_progress(found.end_sample / len(samples))
        end_s = found.end_sample / SAMPLE_RATE_HZ
        pieces.append(Piece(start_s=start_s, end_s=end_s, words=words, is_failed=is_failed))
    return Transcribed(transcriber=engines.recogniser.name, vad=VAD_ID, pieces=tuple(pieces))


def utterances_of(
    transcribed: Transcribed, voices: LaneVoices, clock: RecordingClock, *, id: str
) -> tuple[Utterance, ...]:
    """Words as utterances on the call clock, each by one speaker.

    Args:
        transcribed: The words of a lane.
        voices: Who speaks where in it.
        clock: Puts the recording on the call clock.
        id: Begins the ids of the utterances; unique within the call, no personal data.
    """
    utterances: list[Utterance] = []
    for piece in transcribed.pieces:
        spoken = zip(speakers_of(piece.words, voices), piece.words, strict=True)
        for speaker, group in groupby(spoken, key=lambda pair: pair[0]):
            on_clock = [
                (word.text, clock.span(word.start_s, word.end_s), word.confidence)
                for _, word in group
            ]
            utterances += (
                utterance_from_words(words, id=f"{id}/{len(utterances) + n}", speaker=speaker)
                for n, words in enumerate(split_at_pauses(on_clock))
            )
    return tuple(utterances)


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
