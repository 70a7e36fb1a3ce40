"""The call clock turns wall time into seconds of a call, once."""

from datetime import UTC, datetime, timedelta

import pytest

from realtime.clock import CallClock, VirtualClock


def test_call_clock_counts_from_the_room() -> None:
    """A room that was made a minute ago is a minute into its call."""
    started_at = datetime.now(UTC) - timedelta(seconds=60)
    clock = CallClock.start(started_at)
    assert clock.now_s() == pytest.approx(60, abs=1)
    assert clock.at(12.5) == started_at + timedelta(seconds=12.5)


def test_call_clock_never_runs_before_the_call() -> None:
    """A server whose clock is ahead makes no negative positions."""
    assert CallClock.start(datetime.now(UTC) + timedelta(seconds=5)).now_s() == 0.0


def test_virtual_clock_adds_the_work_of_one_recogniser() -> None:
    """Work begins when the audio is there and the recogniser is free, as it would live."""
    clock = VirtualClock()
    clock.heard(10.0)
    clock.worked(2.0)
    assert clock.now_s() == 12.0
    clock.heard(11.0)
    clock.worked(0.5)  # waits until 12.0
    assert clock.now_s() == 12.5
    clock.heard(20.0)
    assert clock.now_s() == 20.0
    clock.worked(1.0)
    assert clock.now_s() == 21.0
