"""When a delivery that failed is tried again, and when not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# Growing pauses over a bit more than three days, as Standard Webhooks advises.
DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
# Receivers that were away together are not met by everybody at the same moment.
_JITTER_RATIO = 0.2
_MAX_RETRY_AFTER_S = 86_400.0
# What is not an answer to the request but to its moment: time-out, too early, too many.
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt failed. Safe to store and to log."""

    error: str  # a code such as "status 503", never what the receiver wrote
    is_final: bool = False  # the receiver will never take it
    retry_after_s: float | None = None  # what the receiver asked for


def failure_of(status: int, retry_after: str | None, *, now: datetime) -> Failure | None:
    """What an answer means; None = it arrived.

    Args:
        status: Of the answer.
        retry_after: The header of that name.
        now: UTC.
    """
    if 200 <= status < 300:
        return None
    return Failure(
        error=f"status {status}",
        # A redirect is not followed, and may be a page that stands there during maintenance.
        is_final=400 <= status < 500 and status not in _PASSING,
        retry_after_s=_seconds(retry_after, now),
    )


def next_attempt_at(
    failure: Failure,
    *,
    attempts: int,
    now: datetime,
    jitter: Callable[[], float] = random.random,
) -> datetime | None:
    """When to try again; None = never.

    Args:
        failure: Of the attempt just made.
        attempts: Made before that one.
        now: UTC.
        jitter: Gives numbers in [0.0, 1.0).
    """
    if failure.is_final or attempts >= len(DELAYS_S):
        return None
    delay_s = DELAYS_S[attempts] * (1 + _JITTER_RATIO * (2 * jitter() - 1))
    if failure.retry_after_s is not None:
        delay_s = max(delay_s, min(failure.retry_after_s, _MAX_RETRY_AFTER_S))
    return now + timedelta(seconds=delay_s)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """The header: seconds, or a moment; None for what is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())
