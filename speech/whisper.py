"""The faster-whisper recogniser, with the guards that Whisper needs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.device import GpuError
from speech.errors import RecogniserError
from speech.recogniser import SHORTEST_WORD_S, RecognisedWord, Recognition

# Fast talk has about four words a second. A word is two tokens at most in what we hear, and a digit
# with its dash two: so this many tokens are more than anybody says, and fewer than a loop writes.
_TOKENS_PER_S = 12
_TOKENS_AT_LEAST = 24
# "one one one one" is said; the same word nine times in a row is a loop, and so are five rounds of
# the same few words.
_MAX_SAME_WORD = 8
_MAX_SAME_PHRASE = 4
_MAX_PHRASE_WORDS = 6
# Not those that are said: "%" and "&", the "@" of an address, the "/" of a date.
_MARKS = ".,;:!?\u00a1\u00bf\u2026-\u2013\u2014*'\"\u201c\u201d\u266a\u266b"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperOptions:
    """How Whisper decodes.

    There is no prompt on purpose. On spoken digits prompts and hot words mended up to three errors
    in four, but all that helped by more than a tenth made the model write into noise and silence,
    mostly digits: a card number that nobody said (14 clips of espeak-ng and 4 without speech,
    tiny.en and base).
    """

    beam_size: int
    language: str = "en"
    compute_type: str = "int8"
    # Below this average log probability, with silence likely, a segment was invented.
    log_prob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    # A text that zlib makes so many times smaller repeats itself beyond what people say (Whisper's
    # own measure). None = only words and short phrases are watched.
    compression_ratio_threshold: float | None = None


# One greedy pass: a second one at a higher temperature would come too late to be of use live.
LIVE = WhisperOptions(beam_size=1)
AUDIT = WhisperOptions(beam_size=5, compression_ratio_threshold=2.4)


class FasterWhisper:
    """Whisper on CTranslate2.

    Args:
        model_dir: Folder with the converted weights.
        options: How to decode.
        name: Id of the weights; the recogniser's own name adds engine and arithmetic.
        cpu_threads: Threads of one inference.

    Raises:
        RecogniserError: the folder holds no model that CTranslate2 can load.
    """

    def __init__(
        self, model_dir: Path, options: WhisperOptions, *, name: str, cpu_threads: int = 2
    ) -> None:
        self.name = f"{name} ({options.compute_type}, beam {options.beam_size})"
        self._options = options
        self._model: Any = load_whisper(model_dir, options, cpu_threads=cpu_threads)

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """Recognise a piece of speech; see `Recogniser`."""
        duration_s = len(samples) / SAMPLE_RATE_HZ
        if duration_s < SHORTEST_WORD_S:
            return ()
        try:
            segments, _ = self._model.transcribe(
                samples,
                language=self._options.language,
                beam_size=self._options.beam_size,
                temperature=[0.0],
                condition_on_previous_text=False,
                word_timestamps=True,
                vad_filter=False,
                log_prob_threshold=self._options.log_prob_threshold,
                no_speech_threshold=self._options.no_speech_threshold,
                max_new_tokens=max_new_tokens(duration_s),
            )
            words = [tuple(segment.words or ()) for segment in segments]
        except (RuntimeError, ValueError) as exc:
            # The message could quote tokens: it is not passed on.
            raise RecogniserError(f"{self.name} failed ({type(exc).__name__})") from None
        return as_written(words, duration_s)

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None


def load_whisper(
    model_dir: Path, options: WhisperOptions, *, cpu_threads: int, device: str = "cpu"
) -> Any:
    """Load converted weights; gives a `faster_whisper.WhisperModel`.

    Args:
        model_dir: Folder with the converted weights.
        options: Of these the arithmetic is used.
        cpu_threads: Threads of one inference.
        device: "cpu" or "cuda".

    Raises:
        RecogniserError: the folder holds no model that CTranslate2 can load.
        GpuError: the GPU cannot be used.
    """
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(
            str(model_dir),
            device=device,
            compute_type=options.compute_type,
            cpu_threads=cpu_threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as exc:
        if device != "cpu" and isinstance(exc, RuntimeError):
            raise GpuError(str(exc)) from None
        raise RecogniserError(
            f"{model_dir}: the weights cannot be loaded ({type(exc).__name__})"
        ) from None


def is_silence(options: WhisperOptions, *, no_speech_prob: float, log_prob: float) -> bool:
    """Whether the decoder itself takes what it wrote for no speech.

    Args:
        options: The thresholds.
        no_speech_prob: In [0.0, 1.0].
        log_prob: Mean of the tokens, at most 0.
    """
    return no_speech_prob > options.no_speech_threshold and log_prob < options.log_prob_threshold


def recognised(
    pieces: Sequence[NDArray[np.float32]],
    durations_s: Sequence[float],
    write: Callable[[Sequence[NDArray[np.float32]], Sequence[float]], Sequence[Sequence[Any]]],
    *,
    name: str,
    options: WhisperOptions,
) -> tuple[Recognition, ...]:
    """What is heard in pieces of speech, whichever Whisper writes it.

    Args:
        pieces: Each mono, shape (n_samples,), 16 kHz.
        durations_s: Their lengths.
        write: Gives the words of pieces that are long enough for one.
        name: Of the recogniser, for errors.
        options: How it decodes.

    Raises:
        RecogniserError: the engine failed.
    """
    heard = [Recognition(words=()) for _ in pieces]
    long_enough = [i for i, s in enumerate(durations_s) if s >= SHORTEST_WORD_S]
    if not long_enough:
        return tuple(heard)
    try:
        written = write([pieces[i] for i in long_enough], [durations_s[i] for i in long_enough])
    except (RuntimeError, ValueError, IndexError) as exc:
        # The message could quote tokens: it is not passed on.
        raise RecogniserError(f"{name} failed ({type(exc).__name__})") from None
    for i, words in zip(long_enough, written, strict=True):
        heard[i] = guarded(words, durations_s[i], options)
    return tuple(heard)


def guarded(words: Sequence[Any], duration_s: float, options: WhisperOptions) -> Recognition:
    """Aligned words as ours, cut where they go round in circles.

    Args:
        words: Of one piece of speech, with `word`, `start`, `end` and `probability`.
        duration_s: Length of the piece.
        options: How much repetition is believed.
    """
    text = "".join(word.word for word in words).strip().encode()
    heard = without_loops([words], duration_s)
    most = options.compression_ratio_threshold
    if most is None or heard.looped_from_s is not None or not text:
        return heard
    if len(text) / len(zlib.compress(text)) > most:
        return Recognition(words=(), looped_from_s=0.0)
    return heard


def max_new_tokens(duration_s: float) -> int:
    """How many tokens may be written for so much speech."""
    return _TOKENS_AT_LEAST + int(_TOKENS_PER_S * duration_s)


def as_written(segments: Sequence[Sequence[Any]], duration_s: float) -> tuple[RecognisedWord, ...]:
    """faster-whisper's words as ours.

    Args:
        segments: Words of each segment, with `word`, `start`, `end` and `probability`.
        duration_s: Length of the samples; no word lies outside.

    Returns:
        Words without loops, each as certain as its most doubtful piece.
    """
    return without_loops(segments, duration_s).words


def without_loops(segments: Sequence[Sequence[Any]], duration_s: float) -> Recognition:
    """The same, and where a loop was cut off; what comes behind it was not understood."""
    pieces, is_part = _clamped(segments, duration_s)
    kept = drop_loops(pieces)
    words = _joined(kept, is_part[: len(kept)])
    if len(kept) == len(pieces):
        return Recognition(words=words)
    return Recognition(words=words, looped_from_s=max(piece.end_s for piece in kept))


def _clamped(
    segments: Sequence[Sequence[Any]], duration_s: float
) -> tuple[tuple[RecognisedWord, ...], tuple[bool, ...]]:
    """Foreign words as ours: stripped, in order, within the samples, none of them empty.

    Returns:
        The words, and for each whether it is written on to the word before it.
    """
    clamped: list[RecognisedWord] = []
    is_part: list[bool] = []
    earliest_s = 0.0
    latest_s = max(0.0, duration_s - SHORTEST_WORD_S)
    for index, word in ((i, word) for words in segments for i, word in enumerate(words)):
        text = word.word.strip()
        if not text:
            continue
        start_s = min(max(float(word.start), earliest_s), latest_s)
        end_s = min(max(float(word.end), start_s + SHORTEST_WORD_S), duration_s)
        if end_s <= start_s:
            continue
        confidence = min(1.0, max(0.0, float(word.probability)))
        clamped.append(
            RecognisedWord(text=text, start_s=start_s, end_s=end_s, confidence=confidence)
        )
        # Letters without a space before them are the next word of a language without spaces.
        is_part.append(index > 0 and not word.word[0].isspace() and not text[0].isalpha())
        earliest_s = start_s
    return tuple(clamped), tuple(is_part)


def _joined(
    pieces: Sequence[RecognisedWord], is_part: Sequence[bool]
) -> tuple[RecognisedWord, ...]:
    """Whole words, where faster-whisper splits at punctuation: "10" and ".30", "4" and "-5".

    What is nothing but marks is no word: a decoder writes such into noise.
    """
    words: list[RecognisedWord] = []
    for piece, goes_on in zip(pieces, is_part, strict=True):
        if not goes_on or not words:
            words.append(piece)
            continue
        begun = words.pop()
        certain = [c for c in (begun.confidence, piece.confidence) if c is not None]
        words.append(
            RecognisedWord(
                text=begun.text + piece.text,
                start_s=begun.start_s,
                end_s=max(begun.end_s, piece.end_s),
                confidence=min(certain, default=None),
            )
        )
    return tuple(word for word in words if word.text.strip(_MARKS))


def drop_loops(words: Sequence[RecognisedWord]) -> tuple[RecognisedWord, ...]:
    """Cut what a looping decoder wrote: a word or phrase over and over, and all that follows it.

    What comes behind a loop in the same piece of speech was made up from the loop, so it goes too.
    """
    keys = [word.text.casefold().strip(".,!?-") for word in words]
    for length in range(1, _MAX_PHRASE_WORDS + 1):
        most = _MAX_SAME_WORD if length == 1 else _MAX_SAME_PHRASE
        for start in range(len(keys) - length * (most + 1) + 1):
            phrase = keys[start : start + length]
            rounds = 1
            while keys[start + rounds * length : start + (rounds + 1) * length] == phrase:
                rounds += 1
            if rounds > most:
                # Of a word as many as people do say: it may be a digit of a number.
                kept = most if length == 1 else 1
                return tuple(words[: start + kept * length])
    return tuple(words)
