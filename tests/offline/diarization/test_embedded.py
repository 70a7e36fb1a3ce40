"""The default diarizer on real sound."""

from __future__ import annotations

import resource
from itertools import pairwise

import numpy as np
import pytest

from offline.diarization.embedded import EmbeddedDiarizer, EmbeddedOptions
from offline.diarization.turns import VoiceBounds
from speech.audio import SAMPLE_RATE_HZ
from tests.offline.mixes import (
    diarizer,
    error_rate,
    mixed,
    pyannote_sample,
    spoken_in,
    track,
)

pytest.importorskip("torch", reason="telling voices apart needs the extra offline")
pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_the_sample_of_pyannote_audio() -> None:
    """A real telephone call: error rate at most 16 %, overlap scored, no collar."""
    samples, spoken = pyannote_sample()
    found = diarizer().diarize(samples, VoiceBounds())
    rate = error_rate(found.turns, spoken, len(samples) / SAMPLE_RATE_HZ)
    print(f"error rate {rate:.1%}")  # noqa: T201 - with -s
    assert found.n_voices == 2
    assert rate <= 0.16


def test_a_mix_of_two_tracks() -> None:
    """Two synthetic voices in one file: both are found, and when they speak."""
    tracks = {"agent": track("clean-agent"), "customer": track("clean-customer")}
    mix = mixed(tracks)
    found = diarizer().diarize(mix, VoiceBounds())
    rate = error_rate(found.turns, spoken_in(tracks), len(mix) / SAMPLE_RATE_HZ)
    print(f"error rate {rate:.1%}")  # noqa: T201 - with -s
    assert found.n_voices == 2
    assert rate <= 0.16


def test_one_voice_is_one_voice() -> None:
    """A recording of one real person gives one voice, and so does one of a synthetic voice."""
    samples, spoken = pyannote_sample()
    alone = [
        samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
        for start_s, end_s, speaker in spoken
        if speaker == "speaker91" and end_s - start_s > 1.0
    ]
    assert diarizer().diarize(np.concatenate(alone), VoiceBounds()).n_voices == 1
    assert diarizer().diarize(track("clean-agent"), VoiceBounds()).n_voices == 1


def test_bounds_hold() -> None:
    """Where one person at most was there, one voice is found."""
    samples, _ = pyannote_sample()
    assert diarizer().diarize(samples, VoiceBounds(at_most=1)).n_voices == 1


def test_exclusive_turns_don_t_overlap() -> None:
    """At each moment at most one voice has the words."""
    samples, _ = pyannote_sample()
    exclusive = diarizer().diarize(samples, VoiceBounds()).exclusive
    assert all(a.end_s <= b.start_s for a, b in pairwise(exclusive))


@pytest.mark.parametrize("length_s", [0.0, 0.01, 1.0, 11.0])
def test_silence_has_no_voices(length_s: float) -> None:
    """Nothing is found where nobody speaks, however short."""
    found = diarizer().diarize(np.zeros(int(length_s * SAMPLE_RATE_HZ), np.float32), VoiceBounds())
    assert (found.turns, found.exclusive, found.n_voices) == ((), (), 0)


def test_a_long_recording_is_done_in_pieces_and_keeps_its_voices() -> None:
    """Twenty-one minutes in pieces of two: the same two people throughout, in bounded memory."""
    tracks = {"agent": track("clean-agent"), "customer": track("clean-customer")}
    call = mixed(tracks)
    pause = np.zeros(90 * SAMPLE_RATE_HZ, dtype=np.float32)
    n_calls = 10
    samples = np.concatenate([np.concatenate((call, pause)) for _ in range(n_calls)])
    assert len(samples) / SAMPLE_RATE_HZ > 20 * 60
    in_pieces = EmbeddedDiarizer(
        models_dir=diarizer()._models_dir,
        device="cpu",
        cpu_threads=1,
        options=EmbeddedOptions(chunk_s=120.0),
    )
    each_s = (len(call) + len(pause)) / SAMPLE_RATE_HZ
    spoken = [
        (start_s + n * each_s, end_s + n * each_s, speaker)
        for n in range(n_calls)
        for start_s, end_s, speaker in spoken_in(tracks)
    ]
    in_pieces.diarize(samples[: 150 * SAMPLE_RATE_HZ], VoiceBounds())
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = in_pieces.diarize(samples, VoiceBounds())
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    rate = error_rate(found.turns, spoken, len(samples) / SAMPLE_RATE_HZ)
    print(f"error rate {rate:.1%}, grown by {grown_kb / 1024:.0f} MiB")  # noqa: T201 - with -s
    assert found.n_voices == 2
    assert rate <= 0.16
    assert grown_kb < 400 * 1024
