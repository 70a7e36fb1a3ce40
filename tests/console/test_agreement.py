"""Agreement between reviewers, against published examples and a second implementation."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import cohen_kappa_score

from console.agreement import (
    PairAgreement,
    RuleAgreement,
    agreement_of,
    cohen_kappa,
    krippendorff_alpha,
)
from storage.judgements import JudgedUnit


def table(counts: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Decisions out of a table of how often each pair came."""
    return [pair for pair, n in counts.items() for _ in range(n)]


def columns(*raters: str) -> list[dict[str, str]]:
    """Units out of one line a rater, a letter a unit; "." is a gap."""
    return [
        {str(number): value for number, value in enumerate(unit) if value != "."}
        for unit in zip(*raters, strict=True)
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Fifty grant proposals, two readers: Wikipedia, Cohen's kappa, "Simple example".
        pytest.param(
            {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}, 0.4, id="grants"
        ),
        # "Same percentage but different numbers", from the same place.
        pytest.param(
            {("y", "y"): 45, ("y", "n"): 15, ("n", "y"): 25, ("n", "n"): 15}, 0.1304, id="same-a"
        ),
        pytest.param(
            {("y", "y"): 25, ("y", "n"): 35, ("n", "y"): 5, ("n", "n"): 35}, 0.2593, id="same-b"
        ),
        pytest.param({("y", "y"): 3, ("n", "n"): 2}, 1.0, id="all-agree"),
        pytest.param({("y", "n"): 5, ("n", "y"): 5}, -1.0, id="never-agree"),
        pytest.param({("y", "y"): 9}, None, id="one-decision-only"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_cohen_kappa(counts: dict[tuple[str, str], int], expected: float | None) -> None:
    """Kappa is what is published for these tables, and not defined where chance always agrees."""
    found = cohen_kappa(table(counts))
    assert found == (None if expected is None else pytest.approx(expected, abs=5e-5))


def test_kappa_as_another_library_has_it() -> None:
    """On random decisions, kappa is scikit-learn's to the last digits."""
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    for n in (2, 5, 40, 300):
        pairs = [
            (chance.choice("abc"), chance.choice("abc") if chance.random() < 0.5 else "a")
            for _ in range(n)
        ]
        theirs = cohen_kappa_score(*map(list, zip(*pairs, strict=True)))
        assert cohen_kappa(pairs) == pytest.approx(theirs, abs=1e-12)


# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), parts A, B and C.
TWO_BINARY = columns("0100000010", "1110010000")
TWO_NOMINAL = columns("aabbdcccedda", "babbbccceddd")
FOUR_WITH_GAPS = columns("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        pytest.param(TWO_BINARY, 0.095, id="two-binary"),
        pytest.param(TWO_NOMINAL, 0.692, id="two-nominal"),
        pytest.param(FOUR_WITH_GAPS, 0.743, id="four-with-gaps"),
        pytest.param(columns("ab", "ab"), 1.0, id="all-agree"),
        pytest.param(columns("aaa", "aaa"), None, id="one-decision-only"),
        pytest.param(columns("ab.", "..a"), None, id="never-two"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_krippendorff_alpha(units: list[dict[str, str]], expected: float | None) -> None:
    """Alpha is what is published for these data, and not defined where nothing can differ."""
    found = krippendorff_alpha(units)
    assert found == (None if expected is None else pytest.approx(expected, abs=5e-4))


def test_by_rule_and_pair() -> None:
    """All rules together come first, then each; every pair has its own number, few are told."""

    def unit(rule_id: str, **decisions: str) -> JudgedUnit:
        return JudgedUnit(room_sid="RM_1", rule_id=rule_id, decisions=decisions)

    units = [unit("pii", ana="c", bo="c")] * 20 + [unit("pii", ana="f", bo="f")] * 20
    units += [unit("insult", bo="c", cy="f"), unit("insult", bo="f", cy="f")]
    whole, insult, pii = agreement_of(units)
    assert (whole.rule_id, whole.n_units, whole.n_reviewers, whole.n_same) == (None, 42, 3, 41)
    assert [pair.n_units for pair in whole.pairs] == [40, 2]
    assert pii == RuleAgreement(
        rule_id="pii", n_units=40, n_reviewers=2, n_same=40, alpha=1.0,
        pairs=(PairAgreement(first="ana", second="bo", n_units=40, n_same=40, kappa=1.0),),
    )  # fmt: skip
    assert (pii.is_few, insult.is_few) == (False, True)
    assert insult.pairs[0].kappa == pytest.approx(0.0)
    assert agreement_of([]) == ()
    assert "ana" not in repr(whole)
