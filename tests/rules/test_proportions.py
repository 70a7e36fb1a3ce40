"""Shares and their intervals, against published figures and by what they promise."""

from __future__ import annotations

import random

import pytest

from rules.proportions import Share, Stratum, share_of, stratified_share, wilson


@pytest.mark.parametrize(
    ("found", "n", "expected"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in
        # Medicine 17 (1998), table I, method 3 (score without continuity correction).
        pytest.param(81, 263, (0.2553, 0.3662), id="81-of-263"),
        pytest.param(15, 148, (0.0624, 0.1605), id="15-of-148"),
        pytest.param(0, 20, (0.0, 0.1611), id="0-of-20"),
        pytest.param(1, 29, (0.0061, 0.1718), id="1-of-29"),
        pytest.param(20, 20, (0.8389, 1.0), id="all-of-20"),
    ],
)
def test_wilson(found: int, n: int, expected: tuple[float, float]) -> None:
    """The interval is the one that is published."""
    assert wilson(found, n) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("found", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_no_share(found: int, n: int) -> None:
    """What is no share is refused."""
    with pytest.raises(ValueError, match="need 0 <= n_found"):
        wilson(found, n)


def test_nothing_seen() -> None:
    """Of nothing nothing is known."""
    assert share_of(0, 0) is None
    assert stratified_share([]) is None
    assert stratified_share([Stratum(n_all=9, n_seen=0, n_found=0)]) is None


def test_strata_weigh_what_they_are() -> None:
    """A rare stratum of which much was seen does not count for more than it is."""
    share = stratified_share(
        [Stratum(n_all=900, n_seen=50, n_found=5), Stratum(n_all=100, n_seen=50, n_found=25)]
    )
    assert share is not None
    assert share.ratio == pytest.approx(0.9 * 0.1 + 0.1 * 0.5)
    assert share.low < share.ratio < share.high
    assert share.n == 100


def test_one_stratum_is_a_plain_sample() -> None:
    """Without strata, and of a large population, the interval is about Wilson's."""
    share = stratified_share([Stratum(n_all=10**9, n_seen=200, n_found=30)])
    plain = share_of(30, 200)
    assert share is not None
    assert plain is not None
    assert (share.ratio, share.low, share.high) == pytest.approx(
        (plain.ratio, plain.low, plain.high), abs=1e-3
    )


def test_nothing_found() -> None:
    """That nothing was found does not mean that there is nothing."""
    share = stratified_share([Stratum(n_all=500, n_seen=20, n_found=0)] * 2)
    assert share == Share(ratio=0.0, low=0.0, high=pytest.approx(0.0876, abs=1e-3), n=40)


def test_coverage() -> None:
    """Drawn again and again, about 95 of 100 intervals hold the truth."""
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    sizes, rates = (4000, 1500, 300), (0.02, 0.1, 0.4)
    people = [
        [chance.random() < rate for _ in range(n)] for n, rate in zip(sizes, rates, strict=True)
    ]
    truth = sum(map(sum, people)) / sum(sizes)
    held = 0
    for _ in range(400):
        share = stratified_share(
            [
                Stratum(n_all=len(each), n_seen=k, n_found=sum(chance.sample(each, k)))
                for each, k in zip(people, (140, 50, 10), strict=True)
            ]
        )
        assert share is not None
        held += share.low <= truth <= share.high
    assert 0.91 <= held / 400 <= 0.99
