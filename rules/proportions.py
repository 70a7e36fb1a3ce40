"""Shares that were counted on a sample, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """An estimated share in [0.0, 1.0] with its interval."""

    ratio: float
    low: float
    high: float
    n: int  # on how many it rests


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A part of a population, of which some were looked at."""

    n_all: int
    n_seen: int
    n_found: int  # of those that were looked at


def wilson(n_found: float, n: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval of a share; it stays within [0, 1] and works for small n, 0 and n of n.

    Args:
        n_found: How many had it; need not be whole where `n` is an effective size.
        n: Of how many, above 0.
        confidence: Of the interval.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal
        of the American Statistical Association 22 (1927), 209-212.
    """
    if not 0 <= n_found <= n or n <= 0:
        raise ValueError(f"need 0 <= n_found <= n and n > 0, got {n_found} of {n}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    ratio = n_found / n
    middle = ratio + z * z / (2 * n)
    half = z * math.sqrt(ratio * (1 - ratio) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if n_found == 0 else (middle - half) / scale
    high = 1.0 if n_found == n else (middle + half) / scale
    return max(0.0, low), min(1.0, high)


def share_of(n_found: int, n: int, *, confidence: float = CONFIDENCE) -> Share | None:
    """A share counted on a plain sample; None where there is none."""
    if n == 0:
        return None
    low, high = wilson(n_found, n, confidence=confidence)
    return Share(ratio=n_found / n, low=low, high=high, n=n)


def stratified_share(strata: Sequence[Stratum], *, confidence: float = CONFIDENCE) -> Share | None:
    """The share in a whole population, from samples of its strata.

    Each stratum weighs what it has in the population. The interval is Wilson's with the effective
    size of the sample: the size of a plain one that would be as sure. Where nothing or all was
    found the variance tells nothing, and the size itself is taken. Strata of which nothing was seen
    are left out, and so is what they weigh.

    Source:
        E. L. Korn and B. I. Graubard, Confidence intervals for proportions with small expected
        number of positive counts estimated from survey data, Survey Methodology 24 (1998), 193-201;
        with Wilson's interval in place of Clopper and Pearson's.
    """
    seen = [stratum for stratum in strata if stratum.n_seen]
    n = sum(stratum.n_seen for stratum in seen)
    if not n:
        return None
    n_all = sum(stratum.n_all for stratum in seen)
    ratio = sum(s.n_all / n_all * s.n_found / s.n_seen for s in seen)
    variance = sum(_variance(s, n_all) for s in seen)
    effective = min(float(n), ratio * (1 - ratio) / variance) if variance > 0 else float(n)
    low, high = wilson(min(ratio * effective, effective), effective, confidence=confidence)
    return Share(ratio=ratio, low=low, high=high, n=n)


def _variance(stratum: Stratum, n_all: int) -> float:
    """What a stratum adds; those that were all looked at add nothing."""
    if stratum.n_seen < 2:
        return 0.0
    ratio = stratum.n_found / stratum.n_seen
    unseen = 1 - stratum.n_seen / stratum.n_all
    return (stratum.n_all / n_all) ** 2 * unseen * ratio * (1 - ratio) / (stratum.n_seen - 1)
