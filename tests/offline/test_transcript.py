"""From a voice to utterances."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.attribute import Voice
from offline.clock import RecordingClock
from offline.engines import Loaded
from offline.transcript import split_at_pauses, transcribe
from rules.types import Span
from speech.errors import RecogniserError
from speech.recogniser import RecognisedWord
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
    sound = demo_sound("agent")[: 20 * RATE]
    progress: list[float] = []
    transcript = transcribe(
        Voice(speaker="agent", samples=sound),
        RecordingClock(offset_s=100.0),
        Loaded(vad=vad_model(), recogniser=ScriptedRecogniser(["one two", "three"])),
        id="TR_a",
        on_progress=progress.append,
    )
    assert [(u.id, u.speaker, u.text) for u in transcript.utterances] == [
        ("TR_a/0", "agent", "one two"),
        ("TR_a/1", "agent", "three"),
    ]
    for utterance, span in zip(transcript.utterances, transcript.speech, strict=True):
        assert span.start_s >= 100.0
        assert utterance.span.start_s == pytest.approx(span.start_s)
        assert utterance.span.end_s == pytest.approx(span.end_s)
    assert transcript.failed == ()
    assert progress == sorted(progress)


class BrokenRecogniser:
    """An engine that fails at every piece."""

    name = "broken"

    def transcribe(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        raise RecogniserError("broken failed")

    def close(self) -> None:
        return


def test_speech_without_words_is_told() -> None:
    """A recogniser that fails leaves a hole that is named, and stops nothing else."""
    transcript = transcribe(
        Voice(speaker="agent", samples=demo_sound("agent")[: 20 * RATE]),
        RecordingClock(offset_s=0.0),
        Loaded(vad=vad_model(), recogniser=BrokenRecogniser()),
        id="TR_a",
    )
    assert transcript.utterances == ()
    assert transcript.failed == transcript.speech != ()


def test_silence_is_no_speech() -> None:
    """Nothing is asked of the recogniser where nobody speaks."""
    recogniser = ScriptedRecogniser(["You"])
    transcript = transcribe(
        Voice(speaker="agent", samples=np.zeros(5 * RATE, dtype=np.float32)),
        RecordingClock(offset_s=0.0),
        Loaded(vad=vad_model(), recogniser=recogniser),
        id="TR_a",
    )
    assert transcript.utterances == ()
    assert recogniser.n_calls == 0
