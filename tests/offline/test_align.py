"""Recordings are found on the call clock by who was heard when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from offline.align import TimelineAligner, best_fit, drift, loudness_of
from offline.clock import RecordingClock
from offline.stages.align import CallTake
from offline.stages.records import Aligned
from offline.stages.take import Take
from rules.types import Span
from speech.vad import LIVE, speech_ranges
from tests.offline.builders import call, live, source, vad_model, write_wav
from tests.offline.mixes import spoken_in, track

SPOKEN = spoken_in({"customer": track("clean-customer")})


def moved(by_s: float) -> tuple[tuple[str, Span], ...]:
    """Where the customer of the fixture was heard, if its recording began at that time."""
    return tuple(("customer", Span(a + by_s, b + by_s)) for a, b, _ in SPOKEN)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "customer.wav", track("clean-customer"))


def aligned(wav: Path, speech: Sequence[tuple[str, Span]], **changes: Any) -> Aligned:
    of = source(path=wav, sha256=None, clock=RecordingClock(offset_s=5.0), **changes)
    given = CallTake(take=Take(of, wav), call=call(live=live(speech=tuple(speech))))
    return TimelineAligner().align(given)


@pytest.mark.parametrize("off_s", [-2.5, -0.7, -0.3, 0.3, 0.45, 1.9])
def test_an_offset_is_found(off_s: float, wav: Path) -> None:
    """The recorder says 5 s; what live heard says otherwise."""
    found = aligned(wav, moved(5.0 + off_s))
    assert found.method == "timeline"
    assert found.offset_s == pytest.approx(5.0 + off_s, abs=0.1)
    assert found.confidence is not None
    assert found.confidence > 0.5


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        pytest.param(moved(5.05), "timeline", id="fits"),
        pytest.param((), "manifest", id="nobody-heard"),
        pytest.param(moved(5.0)[:1], "manifest", id="too-little"),
        pytest.param(
            tuple(("agent", span) for _, span in moved(5.0)), "manifest", id="somebody-else"
        ),
        pytest.param(moved(5.0 + 6.0), "refused", id="implausible"),
    ],
)
def test_what_is_not_moved(speech: tuple[tuple[str, Span], ...], expected: str, wav: Path) -> None:
    """A recording stays where its recorder put it, and the record says why."""
    found = aligned(wav, speech)
    assert (found.offset_s, found.method) == (5.0, expected)


@pytest.mark.parametrize("leak_db", [-20, -14, -6])
@pytest.mark.parametrize("live_hears_leak", [False, True], ids=["headset-live", "leak-live-too"])
@pytest.mark.parametrize(("name", "other"), [("agent", "customer"), ("customer", "agent")])
@pytest.mark.parametrize("made_call", ["clean", "paying"])
def test_tracks_that_leak_into_each_other(
    made_call: str, name: str, other: str, live_hears_leak: bool, leak_db: int
) -> None:
    """A loudspeaker into the other's microphone moves nothing; too loud, nothing is believed.

    With 20 dB less the recording is placed, whether live heard the leak as well or not.
    """
    own = track(f"{made_call}-{name}")
    leaking = np.clip(own + track(f"{made_call}-{other}") * 10 ** (leak_db / 20), -1.0, 1.0)
    leaking = leaking.astype(np.float32)
    ranges = speech_ranges(leaking if live_hears_leak else own, vad_model(), LIVE)
    heard = [Span(found.start_s + 5.0, found.end_s + 5.0) for found in ranges]
    for off_s in (-1.9, 0.45):
        fit = best_fit(loudness_of(leaking[None]), heard, 5.0 - off_s)
        assert fit is not None or leak_db > -20
        assert fit is None or fit.shift_s == pytest.approx(off_s, abs=0.16)


def test_a_row_of_speech_that_does_not_fit_places_nothing() -> None:
    """Somebody else's speech gives no place that stands out."""
    random = np.random.default_rng(3)
    starts = np.cumsum(random.uniform(2.0, 6.0, size=12))
    other = [Span(float(s), float(s + random.uniform(0.5, 2.0))) for s in starts]
    assert best_fit(loudness_of(track("clean-customer")[None]), other, 0.0) is None


@pytest.mark.parametrize("ppm", [0, 500, -800])
def test_drift_is_measured(ppm: int) -> None:
    """A clock that runs 500 millionths fast is 0.6 s off after twenty minutes."""
    random = np.random.default_rng(5)
    length_s = 1200.0
    starts = np.cumsum(random.uniform(1.5, 7.0, size=300))
    spans = [(float(s), float(s + random.uniform(0.4, 3.0))) for s in starts if s < length_s - 10]
    loudness = np.full(int(length_s / 0.02), 0.1, dtype=np.float32)
    for start_s, end_s in spans:
        loudness[int(start_s / 0.02) : int(end_s / 0.02)] = 0.8
    loudness += random.normal(0, 0.05, len(loudness)).astype(np.float32)
    heard = [Span(a * (1 + ppm * 1e-6), b * (1 + ppm * 1e-6)) for a, b in spans]
    found = drift(loudness, heard, 0.0)
    assert found == pytest.approx(ppm * 1e-6 * length_s, abs=0.1)
