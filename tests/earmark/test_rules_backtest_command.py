"""`earmark rules backtest`, run as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from earmark.cli import exit_code_of
from earmark.commands.rules import command

PACK = """pack: t.pack
version: 1
rules:
  - {{id: t.promise, title: T, description: D, severity: low, when: {{phrase: [{phrases}]}}}}
  - {{id: t.card, title: T, description: D, severity: low, when: {{pii: CREDIT_CARD}}}}
"""
CALLS = [
    {
        "id": "one",
        "segments": [
            {"speaker": "ann", "start": 0, "end": 3, "text": "these are guaranteed returns"},
            {"speaker": "ann", "start": 9, "end": 12, "text": "it is totally safe"},
            {"speaker": "bob", "start": 13, "end": 19, "text": "card 4111 1111 1111 1111 bye"},
        ],
        "reviews": [
            {"rule": "t.promise", "start": 0, "end": 3, "verdict": "confirmed", "by": "r1"},
            {
                "rule": "t.promise",
                "speaker": "ann",
                "start": 9,
                "end": 12,
                "verdict": "false_alarm",
            },
        ],
    },
    {
        "id": "two",
        "masked": True,
        "segments": [{"speaker": "ann", "start": 0, "end": 3, "text": "no risk, card •••• ••••"}],
    },
]


@pytest.fixture
def books(tmp_path: Path) -> tuple[str, str, str]:
    """Changed rules, rules in force, and calls."""
    changed, in_force, calls = (tmp_path / name for name in ("new.yaml", "old.yaml", "c.jsonl"))
    in_force.write_text(PACK.format(phrases="guaranteed returns, no risk"))
    changed.write_text(PACK.format(phrases="totally safe, no risk"))
    calls.write_text("".join(json.dumps(call) + "\n" for call in CALLS))
    return str(changed), str(in_force), str(calls)


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, ["backtest", *args], input=stdin)


def test_what_changes_is_shown_with_verdicts(books: tuple[str, str, str]) -> None:
    """Every hit that only one book has is listed; losing a confirmed one is a warning."""
    changed, in_force, calls = books
    result = run(changed, "--against", in_force, "--calls", calls)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "t.card: 1 kept, 0 added, 0 lost",
        "t.promise: 1 kept, 1 added, 1 lost",
        "  + one 10.0-12.0 s by ann: totally safe (false_alarm)",
        "  - one 1.1-3.0 s by ann: guaranteed returns (confirmed)",
        "  precision by verdicts: 100% (1 of 1) before, 0% (0 of 1) after",
        "  ! loses 1 that reviewers confirmed",
        "  ! adds 1 that reviewers called false alarms",
        "t.card: not checked on 1 masked call",
        "2 calls, 2 rules hit, 1 changed",
    ]


def test_the_same_rules_change_nothing(books: tuple[str, str, str]) -> None:
    """A book against itself keeps everything and ends with exit code 0."""
    _, in_force, calls = books
    result = run(in_force, "--against", in_force, "--calls", calls, "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [(line["type"], line["rule"]) for line in lines] == [
        ("rule", "t.card"),
        ("rule", "t.promise"),
        ("not_checked", "t.card"),
    ]
    assert lines[1]["kept_by_verdict"] == {"confirmed": 1, "not reviewed": 1}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": 1, "text": "x", "reviews": [{"rule": "a.b"}]}', "standard input:1: reviews.0."),
        (
            '{"id": 1, "text": "x", "reviews": '
            '[{"rule": "a.b", "start": 2, "end": 1, "verdict": "confirmed"}]}',
            "end must be later than start",
        ),
    ],
)
def test_bad_reviews_are_refused(books: tuple[str, str, str], line: str, problem: str) -> None:
    """A verdict that makes no sense stops the run: a wrong picture is worse than none."""
    result = run(books[0], "--calls", "-", stdin=line)
    assert isinstance(result.exception, Exception)
    assert exit_code_of(result.exception) == 2
    assert problem in str(result.exception)
