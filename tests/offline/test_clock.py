"""Recordings on the call clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from offline.clock import MIN_SPAN_S, RecordingClock
from rules.types import Span
from tests.offline.builders import STARTED_AT


@pytest.mark.parametrize(
    ("late_s", "interval", "expected"),
    [
        pytest.param(4.5, (1.0, 2.0), Span(5.5, 6.5), id="later-than-the-call"),
        pytest.param(0.0, (1.0, 2.0), Span(1.0, 2.0), id="with-the-call"),
        pytest.param(-0.3, (1.0, 2.0), Span(1.0, 2.0), id="before-the-call-by-clock-skew"),
        pytest.param(1.0, (2.0, 2.0), Span(3.0, 3.0 + MIN_SPAN_S), id="empty-word"),
    ],
)
def test_intervals_of_a_recording_are_put_on_the_call_clock(
    late_s: float, interval: tuple[float, float], expected: Span
) -> None:
    """A recording's positions are moved by its start within the call, never before 0."""
    clock = RecordingClock.of_recording(STARTED_AT + timedelta(seconds=late_s), STARTED_AT)
    assert clock.span(*interval) == expected
