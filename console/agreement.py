"""How far reviewers agree beyond what chance would give: Cohen's kappa and Krippendorff's alpha.

Both are 1 where all agree, 0 where they agree as dice would, and below 0 where they do worse. Kappa
is of two people on what both judged; alpha is of any number of people, with gaps.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import krippendorff
import numpy as np

from storage.judgements import JudgedUnit

# With fewer things judged by both, the numbers swing by more than they tell.
FEW_UNITS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """Two reviewers on what both judged."""

    first: str = field(repr=False)
    second: str = field(repr=False)
    n_units: int
    n_same: int
    kappa: float | None  # None where both gave one and the same decision only

    @property
    def is_few(self) -> bool:
        """Whether the number rests on too little."""
        return self.n_units < FEW_UNITS


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAgreement:
    """All reviewers on what a rule flags."""

    rule_id: str | None  # None = all rules together
    n_units: int
    n_reviewers: int
    n_same: int  # units on which all who judged said the same
    alpha: float | None  # None where only one decision was ever given
    pairs: tuple[PairAgreement, ...]

    @property
    def is_few(self) -> bool:
        """Whether the number rests on too little."""
        return self.n_units < FEW_UNITS


def agreement_of(units: Sequence[JudgedUnit]) -> tuple[RuleAgreement, ...]:
    """Agreement over all rules first, then by rule id."""
    if not units:
        return ()
    by_rule: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for unit in units:
        by_rule[unit.rule_id].append(unit.decisions)
    whole = _agreement(None, [unit.decisions for unit in units])
    return (whole, *(_agreement(rule_id, by_rule[rule_id]) for rule_id in sorted(by_rule)))


def cohen_kappa(decisions: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two people, unweighted.

    Args:
        decisions: Of the first and of the second one, thing by thing.

    Returns:
        In [-1.0, 1.0]; None where it is not defined: nothing was judged, or both gave one and the
        same decision to everything, so that chance alone would agree.

    Source:
        J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological
        Measurement 20 (1960), 37-46.
    """
    n = len(decisions)
    if not n:
        return None
    observed = sum(one == other for one, other in decisions) / n
    firsts, seconds = (Counter(column) for column in zip(*decisions, strict=True))
    expected = sum(firsts[each] * seconds[each] for each in firsts) / n**2
    if expected == 1.0:
        return None
    return (observed - expected) / (1.0 - expected)


def krippendorff_alpha(units: Sequence[Mapping[str, str]]) -> float | None:
    """Krippendorff's alpha for decisions without an order.

    Args:
        units: Of each thing, the decision by reviewer; who did not judge it is left out.

    Returns:
        At most 1.0; None where it is not defined: nothing was judged by two, or only one decision
        was ever given.
    """
    paired = [unit for unit in units if len(unit) >= 2]
    values = sorted({decision for unit in paired for decision in unit.values()})
    if len(values) < 2:
        return None
    reviewers = sorted({reviewer for unit in paired for reviewer in unit})
    table = np.full((len(reviewers), len(paired)), np.nan)
    for column, unit in enumerate(paired):
        for reviewer, decision in unit.items():
            table[reviewers.index(reviewer), column] = values.index(decision)
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))


def _agreement(rule_id: str | None, units: Sequence[Mapping[str, str]]) -> RuleAgreement:
    together: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for unit in units:
        for first, second in combinations(sorted(unit), 2):
            together[first, second].append((unit[first], unit[second]))
    return RuleAgreement(
        rule_id=rule_id,
        n_units=len(units),
        n_reviewers=len({reviewer for unit in units for reviewer in unit}),
        n_same=sum(len(set(unit.values())) == 1 for unit in units),
        alpha=krippendorff_alpha(units),
        pairs=tuple(
            PairAgreement(
                first=first,
                second=second,
                n_units=len(decisions),
                n_same=sum(one == other for one, other in decisions),
                kappa=cohen_kappa(decisions),
            )
            for (first, second), decisions in sorted(together.items())
        ),
    )
