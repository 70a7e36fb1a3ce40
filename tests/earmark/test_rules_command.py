"""`earmark rules`, run as people run it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result

from earmark.cli import exit_code_of
from earmark.commands.rules import command

CARD = "4539-1488-0343-6467"


def run(*args: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(command, list(args), input=stdin)


def failure(result: Result) -> tuple[int | None, str]:
    """Exit code and message of an error raised on purpose."""
    assert isinstance(result.exception, Exception)
    return exit_code_of(result.exception), str(result.exception)


@pytest.mark.parametrize("name", ["lint", "test", "scan", "backtest"])
def test_help_teaches_with_an_example(name: str) -> None:
    """Each subcommand explains itself with a command line that can be copied."""
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert f"earmark rules {name}" in result.output


def test_lint_and_test_pass_on_the_built_in_book() -> None:
    """Without paths the built-in book is meant, and it is in order."""
    results = [json.loads(line) for line in run("test", "--json").stdout.splitlines()]
    assert results
    assert all(result["passed"] for result in results)
    assert run("test").output == f"{len(results)} passed, 0 failed\n"
    assert run("lint").output == f"23 rules, {len(results)} cases, 0 issues\n"


PACK = """pack: a.b
version: 1
rules:
  - {id: a.c, title: T, description: D, severity: low, references: [R],
     when: {phrase: {any_of: [boom]}}}
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(PACK)
    (tmp_path / "a.cases.yaml").write_text(
        "cases:\n  - {name: one, say: bang, hit: a.c}\n  - {name: two, say: boom, no_hit: a.c}\n"
    )
    return path


@pytest.mark.parametrize("given", ["a.yaml", "a.cases.yaml", "."])
def test_failed_cases_show_expected_and_got(pack: Path, given: str) -> None:
    """A failed case names its line and both sides, and ends with 1."""
    result = run("test", str(pack.parent / given))
    assert result.exit_code == 1
    assert result.output.replace(str(pack.parent) + "/", "") == (
        "FAILED a.cases.yaml:2: one\n  - a hit of a.c\n  + got none\n"
        "FAILED a.cases.yaml:3: two\n  - no hit of a.c\n  + got one at 0.40 s\n"
        "0 passed, 2 failed\n"
    )


TIMED = """cases:
  - name: in time
    say: &call
      - {speaker: c, role: customer, start_s: 2, end_s: 3, text: boom}
      - {speaker: c, role: customer, start_s: 40, end_s: 41, text: boom}
    hit: {rule: a.c, at_s: 3, within_s: 0.2, speaker: c}
  - {name: late, say: boom, hit: {rule: a.c, at_s: 9}}
  - {name: of another, say: boom, hit: {rule: a.c, speaker: d}}
  - {name: too often, say: boom, hit: {rule: a.c, times: 2}}
  - {name: never, say: boom, never: true}
  - {name: a value, say: "my pin is 4821", find: {entity: PIN, value: "4821"}, never: true}
  - {name: another value, say: "my pin is 4821", find: {entity: PIN, value: "4822"}}
  - {name: later, say: boom, no_hit: a.c, todo: the phrase is too short}
"""


def test_cases_with_times_and_values(pack: Path, tmp_path: Path) -> None:
    """Times, speakers, counts and values are compared; what is to do fails nothing."""
    (pack.parent / "a.cases.yaml").write_text(TIMED.replace("&call", ""))
    report = tmp_path / "junit.xml"
    result = run("test", str(pack), "--junit", str(report))
    assert result.exit_code == 1
    lines = result.output.replace(str(pack.parent) + "/", "").splitlines()
    assert [line.rpartition(": ")[2] for line in lines if line.startswith("FAILED")] == [
        *("late", "of another", "too often", "never", "another value")
    ]
    assert "  - a hit of a.c, at 9 s (+-0.5)" in lines
    assert "  + got one at 0.40 s, by somebody" in lines
    assert "  - PIN" in lines
    assert any(line.startswith("  + PIN ••••") for line in lines)
    assert "4821" not in result.output
    assert "4821" in run("test", str(pack), "--show-values").output
    assert lines[-1] == "2 passed, 5 failed, 1 to do"
    suite = ElementTree.parse(report).getroot()  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("8", "5", "1")
    assert len(suite.findall("testcase/failure")) == 5


GUESSED = """cases:
  - name: taken back
    say:
      - {speaker: c, start_s: 2, end_s: 3, text: boom, final: false}
      - {speaker: c, start_s: 2, end_s: 3, text: bloom}
    hit: [{rule: a.c, state: provisional, times: 1}, {rule: a.c, state: retracted}]
    no_hit: a.c
  - name: not taken back
    say:
      - {speaker: c, start_s: 2, end_s: 3, text: boom, final: false}
      - {speaker: c, start_s: 2, end_s: 3, text: boom}
    hit: {rule: a.c, state: retracted}
"""


def test_cases_with_guesses(pack: Path) -> None:
    """What a guess led to is provisional until the final words confirm or retract it."""
    (pack.parent / "a.cases.yaml").write_text(GUESSED)
    result = run("test", str(pack))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].endswith("not taken back")
    assert lines[1] == "  - a hit of a.c, retracted"
    assert lines[-1] == "1 passed, 1 failed"


def test_a_guess_needs_final_words(pack: Path) -> None:
    guess = "{speaker: c, start_s: 2, end_s: 3, text: boom, final: false}"
    (pack.parent / "a.cases.yaml").write_text(f"cases:\n  - say: [{guess}]\n    hit: a.c\n")
    code, message = failure(run("test", str(pack)))
    assert code == 2
    assert "final: false" in message


DEPARTMENT = """pack: d.hello
version: 1
rules:
  - id: d.hello
    title: t
    description: t
    severity: low
    scope: {attributes: {department: [sales]}}
    when: {absent: {within_s: 5, any_of: [hello]}}
"""


def test_what_nobody_said_is_told_of_calls_with_the_attributes(tmp_path: Path) -> None:
    """An absence has no speaker; the attributes of anybody on the call decide."""
    (tmp_path / "d.yaml").write_text(DEPARTMENT)
    said = "start_s: 1, end_s: 2, text: well"
    (tmp_path / "d.cases.yaml").write_text(
        f"""cases:
  - name: sales
    say: [{{speaker: a, attributes: {{department: sales}}, {said}}}]
    ends_s: 20
    hit: {{rule: d.hello, at_s: 6}}
  - name: support
    say: [{{speaker: a, attributes: {{department: support}}, {said}}}]
    ends_s: 20
    no_hit: d.hello
"""
    )
    result = run("test", str(tmp_path / "d.yaml"))
    assert (result.exit_code, result.output) == (0, "2 passed, 0 failed\n")


def test_a_report_that_cannot_be_written(pack: Path, tmp_path: Path) -> None:
    code, message = failure(run("test", str(pack), "--junit", str(tmp_path / "no" / "x.xml")))
    assert code == 2
    assert "no/x.xml" in message


def test_no_cases_is_an_error(pack: Path) -> None:
    """Nothing tested is not a success."""
    (pack.parent / "a.cases.yaml").unlink()
    code, message = failure(run("test", str(pack)))
    assert code == 2
    assert message.startswith("no cases beside these rules")


def test_lint_issues_end_with_1(pack: Path) -> None:
    """Poor rules are listed, in JSON where asked."""
    (pack.parent / "a.cases.yaml").unlink()
    result = run("lint", str(pack), "--json")
    assert result.exit_code == 1
    issues = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(i["type"], i["fault"], i["rule"], i["line"]) for i in issues] == [
        ("issue", "no-hit-case", "a.c", 4),
        ("issue", "no-near-miss", "a.c", 4),
        ("issue", "no-owner", "a.b", 1),
    ]


def test_load_errors_end_with_2(pack: Path) -> None:
    """Rules that cannot be loaded are all listed."""
    pack.write_text(PACK.replace("title: T", "titel: T").replace("severity: low", "severity: lo"))
    code, message = failure(run("lint", str(pack)))
    assert code == 2
    assert len(message.splitlines()) == 3
    result = run("lint", str(pack), "--json")
    assert result.exit_code == 2
    errors = [json.loads(line) for line in result.stdout.splitlines()]
    assert [error["type"] for error in errors] == ["error"] * 3


def test_scan_gives_one_line_a_record() -> None:
    """Texts and transcripts come back with entities, hits and nothing else on stdout."""
    records = [
        {"id": "t", "text": f"my card is {CARD}"},
        {"id": 2, "text": "nothing here", "label": "ignored"},
        {
            "id": 3,
            "segments": [
                {"speaker": "a", "start": 0.5, "end": 3, "text": "Your card number, please?"},
                {"speaker": "c", "start": 4, "end": 6, "text": "4539 1488"},
                {"speaker": "a", "start": 6, "end": 6.4, "text": "mm-hm"},
                {"speaker": "c", "start": 7, "end": 9, "text": "0343 6467."},
                {"speaker": None, "start": 35, "end": 36, "text": ""},
            ],
        },
    ]
    stdin = "\n".join(json.dumps(record) for record in records)
    result = run("scan", "-", "--show-values", "--json", stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    hit = {"rule": "pii.card-number", "severity": "high"}
    missing = {"rule": "disclosure.recording-notice", "severity": "medium"}
    found = {"entity": "CREDIT_CARD", "value": "4539148803436467"}
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            "id": "t",
            "entities": [{**found, "segment": 0, "start_chars": 11, "end_chars": 30, "score": 1.0}],
            "hits": [{**hit, "speaker": None, "at_s": 1.6}],
        },
        {"id": 2, "entities": [], "hits": []},
        {
            "id": 3,
            "entities": [{**found, "segment": 1, "start_chars": 0, "end_chars": 9, "score": 1.0}],
            "hits": [
                {**hit, "speaker": "c", "at_s": 9.0},
                {**missing, "speaker": None, "at_s": 30.5},
            ],
        },
    ]


def test_values_stay_hidden_unless_asked(tmp_path: Path) -> None:
    """Without --show-values the number is nowhere in the output."""
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"id": 1, "text": f"visa {CARD} bye"}) + "\n\n")
    result = run("scan", str(path))
    assert "value" not in result.stdout
    assert "6467" not in result.output
    assert json.loads(result.stdout)["entities"][0]["entity"] == "CREDIT_CARD"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nonsense 4539", "not JSON; give one object a line"),
        ("[1]", "not a JSON object"),
        ('{"text": "x"}', "id: "),
        ('{"id": 1}', "need exactly one of the keys text and segments"),
        ('{"id": 1, "text": 4539}', "text: "),
        ('{"id": 1, "segments": [{"start": 2, "end": 1, "text": "x"}]}', "segments.0: end must"),
        (
            '{"id": 1, "segments": [{"start": 2, "end": 3, "text": "x"}, '
            '{"start": 1, "end": 3, "text": "y"}]}',
            "segments must be in order",
        ),
        ('{"id": 1, "segments": [{"start": NaN, "end": 1, "text": "x"}]}', "segments.0.start: "),
        ("[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_malformed_lines(line: str | bytes, problem: str) -> None:
    """A bad line is named without its words, and what came before stays written."""
    raw = line.encode() if isinstance(line, str) else line
    result = run("scan", "-", stdin=b'{"id": 1, "text": "fine"}\n' + raw + b"\n")
    code, message = failure(result)
    assert code == 2
    assert message.startswith("standard input:2: ")
    assert problem in message
    assert "4539" not in message
    assert result.stdout == '{"id": 1, "entities": [], "hits": []}\n'


def test_missing_input_and_rules(tmp_path: Path) -> None:
    """Files that are not there are one clear sentence."""
    assert failure(run("scan", str(tmp_path / "no.jsonl")))[0] == 2
    assert failure(run("scan", "-", "--rules", str(tmp_path / "no.yaml")))[0] == 2


def test_command_is_a_group() -> None:
    """The command finds its subcommands under the names that people type."""
    assert isinstance(command, click.Group)
    assert sorted(command.commands) == [
        "backtest", "explain", "lint", "published", "scan", "schema", "test",
    ]  # fmt: skip


SIMILAR = """pack: a.b
version: 1
owner: O
rules:
  - {id: a.c, title: T, description: D, severity: low, references: [R],
     when: {similar: You will never lose money with us.}}
"""


@pytest.mark.model
def test_similar_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run such a rule; without the extra only lint does, and says what it left."""
    path = tmp_path / "a.yaml"
    path.write_text(SIMILAR)
    (tmp_path / "a.cases.yaml").write_text(
        "cases:\n  - {say: You cannot lose any money with us., hit: a.c}\n"
        "  - {say: It rained all day., no_hit: a.c}\n"
    )
    calls = tmp_path / "calls.jsonl"
    calls.write_text('{"id": 1, "text": "you cannot lose any money with us"}\n')
    commands = {
        "test": ("test", str(path)),
        "scan": ("scan", str(calls), "--rules", str(path)),
        "explain": ("explain", str(path), "--text", "you cannot lose any money with us"),
        "backtest": ("backtest", str(path), "--calls", str(calls), "--against", str(path)),
    }
    done = {name: run(*args) for name, args in commands.items()}
    assert {name: result.exit_code for name, result in done.items()} == dict.fromkeys(commands, 0)
    assert done["test"].output == "2 passed, 0 failed\n"
    assert json.loads(done["scan"].output)["hits"][0]["rule"] == "a.c"
    assert "like 'You will never lose money with us.'" in done["explain"].output
    assert run("lint", str(path)).output == "1 rule, 2 cases, 0 issues\n"

    monkeypatch.setattr("speech.models.importlib.util.find_spec", lambda name: None)
    for args in commands.values():
        code, message = failure(run(*args))
        assert code == 3
        assert message.startswith("rule a.c has a `similar` condition: model all-minilm")
        assert message.endswith("install the extra `earmark[similarity]`")
    linted = run("lint", str(path))
    assert (linted.exit_code, linted.stdout) == (0, "1 rule, 2 cases, 0 issues\n")
    assert linted.stderr.startswith("Not checked against everyday talk: rule a.c has")
