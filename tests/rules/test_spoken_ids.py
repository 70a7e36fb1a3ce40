"""How well spoken identifiers are found, digit for digit.

`spoken_ids` was written with the listeners; `spoken_calls` and `spoken_dialogues` are of people
who had not seen them, and were used to improve them afterwards. `spoken_held_out` is of two more,
and is there to measure: whoever works on the listeners leaves its lines unread.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rules.records import Scanner, parse_record
from rules.rulebook import Rulebook

DATA = Path(__file__).parent / "data"
MIN_EXACT_RATIO = 0.90
MAX_HARMLESS_FLAGGED_RATIO = 0.03


@pytest.mark.parametrize(
    "name", ["spoken_ids", "spoken_calls", "spoken_dialogues", "spoken_held_out"]
)
def test_rates(book: Rulebook, name: str) -> None:
    """At least 90 % of identifiers come back digit for digit, at most 3 % of harmless lines do."""
    scanner = Scanner.of(book)
    wrong: list[str] = []
    flagged: list[str] = []
    n_identifiers = n_harmless = 0
    for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        expected = [(entity["entity"], entity["value"]) for entity in row["entities"]]
        found = [
            (entity["entity"], entity["value"])
            for entity in scanner.scan(parse_record(line), show_values=True)["entities"]
            if entity["entity"] != "DATE_TIME"  # a date is no identifier
        ]
        n_identifiers += len(expected)
        wrong += [row["id"]] * len(set(expected) - set(found))
        n_harmless += not expected
        flagged += [row["id"]] if found and not expected else []
    exact_ratio = 1 - len(wrong) / n_identifiers
    flagged_ratio = len(flagged) / n_harmless
    rates = (
        f"exact {exact_ratio:.1%} of {n_identifiers}, wrong: {wrong}; "
        f"harmless flagged {flagged_ratio:.1%} of {n_harmless}: {flagged}"
    )
    print(rates)  # noqa: T201 - the rates are what a reader of the test run wants
    assert n_identifiers >= 150
    assert n_harmless >= 130
    assert exact_ratio >= MIN_EXACT_RATIO, rates
    assert flagged_ratio <= MAX_HARMLESS_FLAGGED_RATIO, rates
