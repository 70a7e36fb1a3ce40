"""From a voice to utterances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.attribute import LaneVoices, NamedTurn
from offline.clock import RecordingClock
from offline.engines import Loaded
from offline.stages.records import HeardWord, Piece, Transcribed
from offline.transcript import split_at_pauses, transcribe, utterances_of
from rules.types import Span
from speech.errors import RecogniserError
from speech.recogniser import Recognition
from tests.offline.builders import ScriptedRecogniser, demo_sound, vad_model

RATE = 16_000


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(0, 1), (1.5, 2)], [["w0", "w1"]], id="in-one-go"),
        pytest.param([(0, 1), (2.0, 3), (3, 4)], [["w0"], ["w1", "w2"]], id="pause"),
    ],
)
def test_words_are_cut_at_pauses(
    times: list[tuple[float, float]], expected: list[list[str]]
) -> None:
    """A second of silence between two words ends an utterance."""
    words = [(f"w{i}", Span(*span), None) for i, span in enumerate(times)]
    assert [[word[0] for word in piece] for piece in split_at_pauses(words)] == expected


def test_utterances_lie_where_the_speech_is() -> None:
    """Each piece of speech becomes an utterance on the call clock, under the speaker's name."""
    progress: list[float] = []
    transcribed = transcribe(
        demo_sound("agent")[: 20 * RATE],
        Loaded(vad=vad_model(), recogniser=ScriptedRecogniser(["one two three"])),
        progress.append,
    )
    utterances = utterances_of(
        transcribed,
        LaneVoices(speakers=("agent",)),
        RecordingClock(offset_s=100.0),
        id="TR_a",
    )
    assert (transcribed.transcriber, transcribed.vad) == ("scripted", "silero-vad")
    assert [(u.id, u.speaker, u.text) for u in utterances] == [
        ("TR_a/0", "agent", "one"),
        ("TR_a/1", "agent", "two three"),
    ]
    for utterance, piece in zip(utterances, transcribed.pieces, strict=True):
        assert utterance.span.start_s >= 100.0 + piece.start_s
        assert utterance.span.end_s <= 100.0 + piece.end_s
        assert not piece.is_failed
    assert progress == sorted(progress)


def test_a_change_of_speaker_ends_an_utterance() -> None:
    """In a mix, each word goes to the voice that speaks most of it, else to the nearest."""
    times = [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.6, 1.7)]
    words = tuple(
        HeardWord(text=f"w{i}", start_s=start_s, end_s=end_s, confidence=None)
        for i, (start_s, end_s) in enumerate(times)
    )
    turns = (
        NamedTurn(speaker="ann", start_s=0.0, end_s=0.7),
        NamedTurn(speaker="ben", start_s=0.6, end_s=1.5),
    )
    utterances = utterances_of(
        Transcribed(
            transcriber="typed", vad="none", pieces=(Piece(start_s=0.0, end_s=2.0, words=words),)
        ),
        LaneVoices(speakers=("ann", "ben"), turns=turns),
        RecordingClock(offset_s=0.0),
        id="TR_a",
    )
    assert [(u.id, u.speaker, u.text) for u in utterances] == [
        ("TR_a/0", "ann", "w0"),
        ("TR_a/1", "ben", "w1 w2 w3"),
    ]


class BrokenRecogniser:
    """An engine that fails at every window."""

    name = "broken"
    batch_size = 4

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        raise RecogniserError("broken failed")

    def close(self) -> None:
        return


def test_speech_without_words_is_told() -> None:
    """A recogniser that fails leaves a hole that is named, and stops nothing else."""
    transcribed = transcribe(
        demo_sound("agent")[: 20 * RATE],
        Loaded(vad=vad_model(), recogniser=BrokenRecogniser()),
    )
    assert [(piece.words, piece.is_failed) for piece in transcribed.pieces] == [((), True)] * 2


def test_silence_is_no_speech() -> None:
    """Nothing is asked of the recogniser where nobody speaks."""
    recogniser = ScriptedRecogniser(["You"])
    transcribed = transcribe(
        np.zeros(5 * RATE, dtype=np.float32), Loaded(vad=vad_model(), recogniser=recogniser)
    )
    assert transcribed.pieces == ()
    assert recogniser.n_calls == 0
