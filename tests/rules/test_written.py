"""How well written personal data is found: exact spans, by entity.

Two sets: the one that the detectors were developed with, and one of another author, who had not
seen them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.rules.listening import everything

DATA = Path(__file__).parent / "data"
MIN_F1 = 0.90
MIN_ENTITY_F1 = 0.80
MAX_HARMLESS_FLAGGED_RATIO = 0.05

Counts = Counter[str]


def f1_of(right: int, wrong: int, missed: int) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * right / max(1, 2 * right + wrong + missed)


def rates(right: Counts, wrong: Counts, missed: Counts) -> str:
    """A table with a row for each entity and one for all of them."""
    rows = [f"{'entity':<20}{'precision':>10}{'recall':>8}{'F1':>7}{'n':>6}"]
    groups = [(name, (name,)) for name in sorted({*right, *wrong, *missed})]
    for name, names in [*groups, ("total", tuple({*right, *wrong, *missed}))]:
        r, w, m = (sum(count[n] for n in names) for count in (right, wrong, missed))
        row = f"{name:<20}{r / max(1, r + w):>10.3f}{r / max(1, r + m):>8.3f}"
        rows.append(f"{row}{f1_of(r, w, m):>7.3f}{r + m:>6}")
    return "\n".join(rows)


@pytest.mark.parametrize("name_of_set", ["written", "written_held_out"])
def test_rates(name_of_set: str) -> None:
    """Exact spans reach an F1 of 0.90 in total and 0.80 for each entity."""
    right, wrong, missed = Counts(), Counts(), Counts()
    misses: list[str] = []
    n_harmless = n_flagged = 0
    for line in (DATA / f"{name_of_set}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        expected = {(e["entity"], e["start_chars"], e["end_chars"]) for e in row["entities"]}
        got = {
            (e.type, e.parts[0].start_chars, e.parts[-1].end_chars) for e in everything(row["text"])
        }
        right.update(name for name, *_ in expected & got)
        wrong.update(name for name, *_ in got - expected)
        missed.update(name for name, *_ in expected - got)
        if got != expected:
            misses.append(
                f"{row['id']}: got {sorted(got - expected)}, not {sorted(expected - got)}"
            )
        n_harmless += not expected
        n_flagged += not expected and bool(got)
    table = rates(right, wrong, missed)
    print(table, *misses, sep="\n")  # noqa: T201 - the rates are what a reader of the run wants
    total = f1_of(right.total(), wrong.total(), missed.total())
    assert right.total() + missed.total() >= 250
    assert total >= MIN_F1, table
    for name in {*right, *missed}:
        assert f1_of(right[name], wrong[name], missed[name]) >= MIN_ENTITY_F1, table
    assert n_harmless >= 50
    assert n_flagged / n_harmless <= MAX_HARMLESS_FLAGGED_RATIO
