"""`earmark rules explain`, run as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from earmark.cli import exit_code_of
from earmark.commands.rules import command


def run(*args: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, ["explain", *args], input=stdin)


def test_a_sentence_is_explained() -> None:
    """What was passed over, what was found and what became of it stand under the condition."""
    result = run("--text", "there are no guaranteed returns but you can't lose")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "text: conduct.promissory-claim: 1 hit"
    assert [line.strip() for line in lines[2:]] == [
        "taken back: guaranteed returns",
        "found at 3.6 s: can't lose",
        "hit at 3.6 s: can't lose",
    ]


def test_a_transcript_is_explained_as_json() -> None:
    """A named rule is explained whether it came upon anything or not, without the identity."""
    segments = [{"speaker": "+1 555 0100", "start": 0, "end": 2, "text": "guaranteed returns"}]
    record = json.dumps({"id": 7, "segments": segments})
    args = ("--json", "--rule", "conduct.promissory-claim", "--rule", "pii.card-number")
    found = [
        json.loads(line)
        for line in run(*args, "--transcript", "-", stdin=record).output.splitlines()
    ]
    assert [(each["id"], each["rule"], each["n_hits"]) for each in found] == [
        (7, "conduct.promissory-claim", 1),
        (7, "pii.card-number", 0),
    ]
    assert "5550100" not in run("--transcript", "-", stdin=record).output.replace(" ", "")


@pytest.mark.parametrize(
    ("args", "stdin", "problem"),
    [
        ((), "", "give either --text or --transcript"),
        (("--text", "x", "--transcript", "-"), "", "give either --text or --transcript"),
        (("--text", "x", "--rule", "no.rule"), "", "no rule no.rule in this rule book"),
        (("--transcript", "-"), "{", "standard input:1: not JSON"),
        (("--transcript", "nowhere.jsonl"), "", "nowhere.jsonl: No such file"),
    ],
)
def test_bad_input(args: tuple[str, ...], stdin: str, problem: str, tmp_path: Path) -> None:
    """What cannot be explained is refused with one sentence and exit code 2."""
    result = run(*args, stdin=stdin)
    assert isinstance(result.exception, Exception)
    assert exit_code_of(result.exception) == 2
    assert problem in str(result.exception)
