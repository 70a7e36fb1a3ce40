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
from speech.errors import RecogniserError
from speech.inventions import is_invented
from speech.recogniser import RecognisedWord, Recognition, WindowRecogniser
from speech.spool import release
from speech.vad import AUDIT, SampleRange, speech_ranges
from speech.windows import SpeechWindow, joined

# A pause within a piece of speech that ends an utterance: where a listener would hear a full stop.
PAUSE_S = 1.0
# Behind a loop the rest of the piece was not understood; less than this is its last breath.
_LOST_S = 0.5
# Speech of this length that gives no word that is believed was not understood. Shorter ones are
# coughs and laughter.
_WORDLESS_S = 5.0

OnProgress = Callable[[float], None]  # how much is done, in [0.0, 1.0]


def transcribe(
    samples: NDArray[np.float32],
    engines: Loaded,
    on_progress: OnProgress = lambda done_ratio: None,
) -> Transcribed:
    """Find the speech in a sound, and write it down.

    Nothing is heard but speech. Besides the samples, memory is needed for one batch of windows,
    however long the sound is.

    Args:
        samples: Mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified; may be mapped
            from a file.
        engines: Speech detection and recogniser.
        on_progress: Told how much is done, in [0.0, 1.0].
    """
    recogniser = engines.recogniser
    found = speech_ranges(samples, engines.vad, AUDIT)
    # Windows of one length together: in a batch, shorter ones are padded to the longest.
    windows = sorted(joined(found), key=lambda window: window.n_samples, reverse=True)
    pieces: list[Piece] = []
    n_done = 0
    for first in range(0, len(windows), recogniser.batch_size):
        batch = windows[first : first + recogniser.batch_size]
        for window, heard in _recognised(batch, samples, recogniser):
            pieces += _pieces(window, heard)
            n_done += len(window.pieces)
        release(samples)
        on_progress(n_done / len(found))
    pieces.sort(key=lambda piece: (piece.start_s, piece.end_s))
    return Transcribed(transcriber=recogniser.name, vad=VAD_ID, pieces=tuple(pieces))


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


def _recognised(
    windows: Sequence[SpeechWindow], samples: NDArray[np.float32], recogniser: WindowRecogniser
) -> Iterator[tuple[SpeechWindow, Recognition | None]]:
    """What was heard in each window, None where the engine failed.

    A window that fails, or makes the recogniser go round in circles, is heard again piece by piece:
    what is wrong with one piece takes nothing from the others.
    """
    heard: Sequence[Recognition | None]
    try:
        heard = recogniser.recognise([window.cut_from(samples) for window in windows])
    except RecogniserError:
        heard = [None] * len(windows)
    for window, each in zip(windows, heard, strict=True):
        is_piece = len(window.pieces) == 1
        can_do_better = len(windows) > 1 or not is_piece
        is_looping = each is not None and each.looped_from_s is not None
        if (each is None and can_do_better) or (is_looping and not is_piece):
            for piece in window.pieces:
                yield _heard_alone(piece, samples, recogniser)
        else:
            yield window, each


def _heard_alone(
    piece: SampleRange, samples: NDArray[np.float32], recogniser: WindowRecogniser
) -> tuple[SpeechWindow, Recognition | None]:
    alone = SpeechWindow(pieces=(piece,))
    try:
        return alone, recogniser.recognise([alone.cut_from(samples)])[0]
    except RecogniserError:
        return alone, None


def _pieces(window: SpeechWindow, heard: Recognition | None) -> Iterator[Piece]:
    """The pieces of a window with their words, on the recording's clock."""
    if heard is None:
        for found in window.pieces:
            yield Piece(start_s=found.start_s, end_s=found.end_s, words=(), is_failed=True)
        return
    said: dict[int, list[RecognisedWord]] = {}
    for number, word in window.placed(heard.words):
        said.setdefault(number, []).append(word)
    for number, found in enumerate(window.pieces):
        words = said.get(number, [])
        if is_invented(words):
            words = []
        end_s = found.end_s
        is_failed = not words and found.end_s - found.start_s >= _WORDLESS_S
        if heard.looped_from_s is not None:
            # A window that loops has one piece: others were heard again.
            from_s = found.start_s + heard.looped_from_s
            if found.end_s - from_s >= _LOST_S:
                yield Piece(
                    start_s=max(from_s, found.start_s), end_s=end_s, words=(), is_failed=True
                )
                if not words:
                    return
                end_s, is_failed = from_s, False
        yield Piece(
            start_s=found.start_s,
            end_s=end_s,
            words=tuple(
                HeardWord(
                    text=word.text,
                    start_s=word.start_s,
                    end_s=word.end_s,
                    confidence=word.confidence,
                )
                for word in words
            ),
            is_failed=is_failed,
        )
