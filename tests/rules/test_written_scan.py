"""What `scan` makes of written sentences, rules and all listeners together."""

from __future__ import annotations

import json
from pathlib import Path

from rules.records import Scanner, parse_record
from rules.rulebook import Rulebook

DATA = Path(__file__).parent / "data" / "written.jsonl"
MIN_F1 = 0.90


def test_exact_f1_of_scan(book: Rulebook) -> None:
    """Through the whole engine, at least .90 of entities and places come back exactly."""
    scanner = Scanner.of(book)
    n_right = n_found = n_expected = 0
    for line in DATA.read_text(encoding="utf-8").splitlines():
        expected = {
            (entity["entity"], entity["start_chars"], entity["end_chars"])
            for entity in json.loads(line)["entities"]
        }
        found = {
            (entity["entity"], entity["start_chars"], entity["end_chars"])
            for entity in scanner.scan(parse_record(line))["entities"]
        }
        n_right += len(found & expected)
        n_found += len(found)
        n_expected += len(expected)
    assert n_expected >= 200
    assert 2 * n_right / (n_found + n_expected) >= MIN_F1
