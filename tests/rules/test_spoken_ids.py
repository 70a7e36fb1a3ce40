"""How well spoken and written identifiers are found: the development set, with its rates."""

from __future__ import annotations

import json
from pathlib import Path

from rules.records import Scanner, parse_record
from rules.rulebook import Rulebook

DATA = Path(__file__).parent / "data" / "spoken_ids.jsonl"
MIN_EXACT_RATIO = 0.90
MAX_HARMLESS_FLAGGED_RATIO = 0.03


def test_rates_on_the_development_set(book: Rulebook) -> None:
    """At least 90 % of identifiers come back digit for digit, at most 3 % of harmless lines do."""
    scanner = Scanner.of(book)
    wrong: list[str] = []
    flagged: list[str] = []
    n_identifiers = n_harmless = 0
    for line in DATA.read_text(encoding="utf-8").splitlines():
        expected = json.loads(line)
        found = [
            entity
            for entity in scanner.scan(parse_record(line), show_values=True)["entities"]
            if entity["entity"] != "DATE_TIME"  # a date is no identifier
        ]
        if expected["entity"] is None:
            n_harmless += 1
            flagged += [expected["id"]] if found else []
        else:
            n_identifiers += 1
            got = [(entity["entity"], entity["value"]) for entity in found]
            if got != [(expected["entity"], expected["value"])]:
                wrong.append(expected["id"])
    exact_ratio = 1 - len(wrong) / n_identifiers
    flagged_ratio = len(flagged) / n_harmless
    rates = (
        f"exact {exact_ratio:.1%} of {n_identifiers}, wrong: {wrong}; "
        f"harmless flagged {flagged_ratio:.1%} of {n_harmless}: {flagged}"
    )
    print(rates)  # noqa: T201 - the rates are what a reader of the test run wants
    assert n_identifiers >= 200
    assert n_harmless >= 130
    assert exact_ratio >= MIN_EXACT_RATIO, rates
    assert flagged_ratio <= MAX_HARMLESS_FLAGGED_RATIO, rates
