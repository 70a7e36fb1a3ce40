"""Speech is found where it is, the same for any way of feeding it."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.models import find_model
from speech.vad import (
    AUDIT,
    LIVE,
    SpeechDetector,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    VadModel,
    VadOptions,
    speech_ranges,
)

AUDIO = Path(__file__).parents[1] / "fixtures" / "audio"
MODEL = VadModel(find_model("silero-vad", Path("/nonexistent"), allow_hub=False))
AGENT = decode(AUDIO / "clean-agent.ogg").samples[0]
SAID_S = ((0.8, 7.1), (15.0, 19.7), (25.5, 29.3))  # tests/fixtures/clean.json


def events(
    samples: NDArray[np.float32], cuts: list[int], options: VadOptions
) -> tuple[SpeechEvent, ...]:
    """What a detector says when the samples are pushed in pieces."""
    detector = SpeechDetector(MODEL, options)
    found: list[SpeechEvent] = []
    for start, end in pairwise([0, *sorted(cuts), len(samples)]):
        found.extend(detector.push(samples[start:end]))
    found.extend(detector.flush())
    assert detector.n_samples == len(samples)
    return tuple(found)


@pytest.mark.parametrize(
    "options", [pytest.param(LIVE, id="live"), pytest.param(AUDIT, id="audit")]
)
def test_speech_is_found(options: VadOptions) -> None:
    """All that was said lies in ranges, and the pauses between lines do not."""
    ranges = [
        (r.start_sample / SAMPLE_RATE_HZ, r.end_sample / SAMPLE_RATE_HZ)
        for r in speech_ranges(AGENT, MODEL, options)
    ]
    for start_s, end_s in SAID_S:
        heard_s = sum(max(0, min(b, end_s) - max(a, start_s)) for a, b in ranges)
        assert heard_s > 0.9 * (end_s - start_s)
    total_s = sum(b - a for a, b in ranges)
    assert total_s < 1.2 * sum(end_s - start_s for start_s, end_s in SAID_S)
    assert all(a[1] <= b[0] for a, b in pairwise(ranges))


@given(cuts=st.lists(st.integers(0, 8 * SAMPLE_RATE_HZ), max_size=12))
@settings(max_examples=15, deadline=None)
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    """How the samples are cut into pushes changes nothing."""
    samples = AGENT[: 8 * SAMPLE_RATE_HZ]
    assert events(samples, cuts, LIVE) == events(samples, [], LIVE)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros(5 * SAMPLE_RATE_HZ, np.float32), id="silence"),
        pytest.param(
            np.random.default_rng(7).normal(0, 0.05, 5 * SAMPLE_RATE_HZ).astype(np.float32),
            id="noise",
        ),
        pytest.param(
            (0.3 * np.sin(np.arange(5 * SAMPLE_RATE_HZ) * 0.17)).astype(np.float32), id="tone"
        ),
        pytest.param(np.zeros(0, np.float32), id="nothing"),
    ],
)
def test_what_is_no_speech(samples: NDArray[np.float32]) -> None:
    """Silence, noise and tones are not speech."""
    assert speech_ranges(samples, MODEL, LIVE) == ()


def test_a_monologue_is_cut_at_a_pause_between_words() -> None:
    """Speech without end is handed over in pieces of bounded length that join without a gap."""
    speech = np.concatenate([AGENT[int(0.9 * 16000) : int(7.0 * 16000)]] * 4)
    found = speech_ranges(speech, MODEL, LIVE)
    assert len(found) >= 3
    longest = max(r.end_sample - r.start_sample for r in found)
    assert longest <= (LIVE.max_speech_s + 0.1) * SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    "max_speech_s", [pytest.param(x / 10, id=f"{x}ds") for x in range(10, 62, 4)]
)
def test_every_start_has_an_end(max_speech_s: float) -> None:
    """Starts and ends take turns wherever a long piece is cut, in the midst of a pause too."""
    options = replace(LIVE, max_speech_s=max_speech_s, min_silence_ms=900, pad_ms=60)
    found = events(AGENT, [], options)
    kinds = [type(event) for event in found]
    assert kinds == [SpeechStarted, SpeechEnded] * (len(kinds) // 2)
    ended = [event for event in found if isinstance(event, SpeechEnded)]
    assert all(a.end_sample <= b.start_sample for a, b in pairwise(ended))
    assert all(event.start_sample < event.end_sample for event in ended)


def test_a_start_is_told_before_its_end() -> None:
    """Speech in progress is known while it goes on."""
    detector = SpeechDetector(MODEL, LIVE)
    started = [
        e for e in detector.push(AGENT[: 3 * SAMPLE_RATE_HZ]) if isinstance(e, SpeechStarted)
    ]
    assert len(started) == 1
    assert detector.speech_since_sample == started[0].start_sample
    (ended,) = (e for e in detector.flush() if isinstance(e, SpeechEnded))
    assert ended.start_sample == started[0].start_sample
    assert detector.speech_since_sample is None


def test_wrong_shape() -> None:
    """Several channels at once are refused."""
    with pytest.raises(ValueError, match="one-dimensional"):
        SpeechDetector(MODEL, LIVE).push(np.zeros((2, 100), np.float32))
