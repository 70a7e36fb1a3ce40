"""When a failed delivery is tried again, and when not."""

from datetime import UTC, datetime, timedelta

import pytest

from realtime.retries import DELAYS_S, Failure, failure_of, next_attempt_at

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        pytest.param(204, None, None, id="taken"),
        pytest.param(503, None, Failure(error="status 503"), id="their-trouble"),
        pytest.param(302, None, Failure(error="status 302"), id="redirect"),
        pytest.param(410, None, Failure(error="status 410", is_final=True), id="gone"),
        pytest.param(401, None, Failure(error="status 401", is_final=True), id="refused"),
        pytest.param(408, None, Failure(error="status 408"), id="time-out"),
        pytest.param(429, "7", Failure(error="status 429", retry_after_s=7.0), id="too-many"),
        pytest.param(
            503,
            "Fri, 02 Jan 2026 03:05:05 GMT",
            Failure(error="status 503", retry_after_s=60.0),
            id="moment",
        ),
        pytest.param(503, "soon", Failure(error="status 503"), id="nonsense"),
        pytest.param(503, "-5", Failure(error="status 503"), id="negative"),
    ],
)
def test_answers(status: int, retry_after: str | None, expected: Failure | None) -> None:
    """2xx arrived; 4xx is final but for what passes; the rest is tried again."""
    assert failure_of(status, retry_after, now=NOW) == expected


def test_pauses_grow_and_end() -> None:
    """Pauses grow over more than three days, spread by a fifth, and there is a last one."""
    failure = Failure(error="status 500")
    n = len(DELAYS_S)
    at = [next_attempt_at(failure, attempts=k, now=NOW, jitter=lambda: 0.5) for k in range(n + 1)]
    assert at == [*(NOW + timedelta(seconds=delay_s) for delay_s in DELAYS_S), None]
    assert sum(DELAYS_S) > 3 * 86_400
    for jitter, ratio in ((0.0, 0.8), (1.0, 1.2)):
        spread = next_attempt_at(failure, attempts=1, now=NOW, jitter=lambda j=jitter: j)  # type: ignore[misc]
        assert spread == NOW + timedelta(seconds=300 * ratio)


@pytest.mark.parametrize(("asked_s", "waits_s"), [(1.0, 5.0), (60.0, 60.0), (1e9, 86_400.0)])
def test_retry_after_is_bounded(asked_s: float, waits_s: float) -> None:
    """A receiver may ask for a longer pause, up to a day, and for no shorter one."""
    failure = Failure(error="status 429", retry_after_s=asked_s)
    at = next_attempt_at(failure, attempts=0, now=NOW, jitter=lambda: 0.5)
    assert at == NOW + timedelta(seconds=waits_s)


def test_final() -> None:
    """What is final is not tried again."""
    assert next_attempt_at(Failure(error="x", is_final=True), attempts=0, now=NOW) is None
