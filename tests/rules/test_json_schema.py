"""The JSON Schema for editors accepts what the loader accepts, and refuses what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rules.document import parse_document
from rules.json_schema import json_schema

ROOT = Path(__file__).parents[2]
PACKS = sorted(p for p in (ROOT / "rules/book").rglob("*.yaml") if "cases" not in p.name)
CASES = sorted((ROOT / "rules/book").rglob("*.cases.yaml"))
PAGE = (ROOT / "docs/rule-language.md").read_text(encoding="utf-8")
PACK = Draft202012Validator(json_schema())


def read(text: str) -> Any:
    """YAML 1.2, as editors read it: "no" is a word."""
    document, faults = parse_document(text.encode(), Path("x"))
    assert faults == ()
    assert document is not None
    return document.data


def problems(document: Any, *, cases: bool = False) -> list[str]:
    validator = Draft202012Validator(json_schema(cases=cases))
    return [error.message for error in validator.iter_errors(document)]


def rule(when: Any) -> dict[str, Any]:
    """A pack with one rule."""
    the_rule = {"id": "x.r", "title": "T", "description": "D", "severity": "low", "when": when}
    return {"pack": "x.p", "version": 1, "rules": [the_rule]}


def test_it_is_a_schema() -> None:
    for cases in (False, True):
        Draft202012Validator.check_schema(json_schema(cases=cases))


@pytest.mark.parametrize("path", [*PACKS, *CASES], ids=lambda path: path.name)
def test_the_book_is_accepted(path: Path) -> None:
    document = read(path.read_text(encoding="utf-8"))
    assert problems(document, cases=path in CASES) == []


def test_every_example_of_the_page_is_accepted() -> None:
    """Short forms, lists, macros: all that the page shows."""
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) > 12
    for example in examples:
        document = read(example)
        if "when" in document:
            document = rule(document["when"])
        assert problems(document, cases="cases" in document) == []


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"phrase": "x", "digits": 4, "unknown": 1},
        {"pii": "CREDIT_CRAD"},
        {"digits": "four"},
        {"named_entity": "US_SSN"},
        {"near": {"of": ["a", "b"], "within_word": 3}},
        {"phrase": {"any_of": ["x"], "unless": ["y"]}},
        7,
    ],
)
def test_mistakes_are_marked(when: Any) -> None:
    assert not PACK.is_valid(rule(when))
