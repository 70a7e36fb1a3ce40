"""`earmark rules`: check rule files, run their cases, and try rules on text."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from earmark.commands import rules_backtest, rules_explain, rules_published
from earmark.commands.case_report import junit
from earmark.errors import BadInputError
from earmark.wiring import embedder_for
from rules.case_difference import difference
from rules.cases import TESTED, Case, CaseResult, load_cases, rule_files_of, run_case
from rules.errors import RuleInputError, RuleLoadError
from rules.json_schema import json_schema
from rules.lint import lint as lint_rules
from rules.loader import load_rulebook
from rules.records import Scanner, parse_record
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder
from speech.errors import ModelMissingError

_PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check, test and try rules.

    Rules are YAML files; docs/rule-language.md describes every key. Each rule file has its cases
    beside it: `card.yaml` and `card.cases.yaml`.

    \b
    Examples:
      earmark rules lint my-rules/
      earmark rules test
      echo '{"id": 1, "text": "my card is 4111 1111 1111 1111"}' | earmark rules scan -
    """  # noqa: D301


command.add_command(rules_backtest.command)
command.add_command(rules_explain.command)
command.add_command(rules_published.command, "published")


@command.command()
@_PATHS
@_JSON
def lint(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check rule files: first that they load, then that they are good.

    Without PATHS, the built-in book is checked. Errors of loading end with exit code 2, all of
    them listed; poor rules (no case that hits, no near miss, no reference, phrases that can never
    matter) end with exit code 1.

    \b
    Example:
      earmark rules lint my-rules/ --json
    """  # noqa: D301
    try:
        rulebook, cases = _load(paths)
    except RuleLoadError as exc:
        if not as_json:
            raise
        for problem in exc.problems:
            where = {"path": str(problem.path), "line": problem.line, "column": problem.column}
            _emit({"type": "error", **where, "message": problem.message})
        sys.exit(exc.exit_code)
    issues = lint_rules(rulebook, cases, _embedder_if_here(rulebook))
    for issue in issues:
        if not as_json:
            click.echo(str(issue))
            continue
        place = issue.location
        where = {"path": str(place.path), "line": place.line, "column": place.column}
        found = {"type": "issue", "fault": issue.fault.value, "rule": issue.rule_id}
        _emit({**found, **where, "message": issue.message})
    if not as_json:
        counted = f"{_count(rulebook.rules, 'rule')}, {_count(cases, 'case')}"
        click.echo(f"{counted}, {_count(issues, 'issue')}")
    sys.exit(1 if issues else 0)


@command.command()
@_PATHS
@_JSON
@click.option(
    "--junit",
    "junit_path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the results as JUnit XML, too.",
)
@click.option("--show-values", is_flag=True, help="Print the values found, in the clear.")
def test(
    paths: tuple[Path, ...], as_json: bool, junit_path: Path | None, show_values: bool
) -> None:
    """Run the cases of rule files and show what was expected (-) and what came (+).

    Without PATHS, the built-in book is tested. A failed case ends with exit code 1; a case that is
    marked `todo` may fail.

    \b
    Example:
      earmark rules test my-rules/card.yaml --junit results.xml
    """  # noqa: D301
    rulebook, cases = _load(paths)
    if not cases:
        raise BadInputError("no cases beside these rules; write NAME.cases.yaml beside NAME.yaml")
    embedder = embedder_for(rulebook, statuses=TESTED)
    results = [run_case(case, rulebook, embedder) for case in cases]
    for result in results:
        case = result.case
        if as_json:
            _emit(_result_json(result))
        elif case.todo is not None:
            now = "passes now; take `todo` away" if result.passed else case.todo
            click.echo(f"TODO {case.path}:{case.line}: {case.name}: {now}")
        elif not result.passed:
            click.echo(f"FAILED {case.path}:{case.line}: {case.name}")
            for line in difference(result, show_values=show_values):
                click.echo(line)
    if junit_path is not None:
        try:
            junit_path.write_bytes(junit(results))
        except OSError as exc:
            raise BadInputError(f"{junit_path}: {exc.strerror}; name a file to write") from None
    todo = [result for result in results if result.case.todo is not None]
    failed = [r for r in results if not r.passed and r.case.todo is None]
    if not as_json:
        n_passed = len(results) - len(failed) - len(todo)
        marked = f", {len(todo)} to do" if todo else ""
        click.echo(f"{n_passed} passed, {len(failed)} failed{marked}")
    sys.exit(1 if failed else 0)


@command.command()
@click.option("--cases", is_flag=True, help="The schema of case files instead of packs.")
def schema(cases: bool) -> None:
    """Print the JSON Schema of rule files, for editors that complete and check YAML.

    \b
    earmark rules schema > earmark-rules.schema.json
    then, as the first line of a pack:
    # yaml-language-server: $schema=earmark-rules.schema.json
    """  # noqa: D301
    click.echo(json.dumps(json_schema(cases=cases), indent=2, ensure_ascii=False))


@command.command()
@click.argument("source", metavar="IN.jsonl", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--rules",
    "rule_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Rule file or folder; may be given several times. Default: the built-in book.",
)
@click.option("--show-values", is_flag=True, help="Print the numbers found, in the clear.")
@click.option("--json", "as_json", is_flag=True, help="Accepted; the output is JSON anyway.")
def scan(source: Path, rule_paths: tuple[Path, ...], show_values: bool, as_json: bool) -> None:
    """Look for personal data and rule hits in texts or transcripts.

    IN.jsonl, or - for standard input, holds one object a line: {"id", "text"}, or {"id",
    "segments": [{"speaker", "start", "end", "text"}]} with times in seconds. For each there is
    one line out: {"id", "entities", "hits"}. An entity over several segments is reported with the
    part in its first one. Rules about what is missing apply to segments only.

    \b
    Example:
      echo '{"id": 1, "text": "my card is 4111 1111 1111 1111"}' | earmark rules scan -
    """  # noqa: D301
    rulebook = load_rulebook(rule_paths)
    scanner = Scanner.of(rulebook, embedder_for(rulebook, statuses=(RuleStatus.ACTIVE,)))
    name = "standard input" if str(source) == "-" else str(source)
    try:
        with click.open_file(str(source), "rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    _emit(_scanned(scanner, line, f"{name}:{number}", show_values))
    except OSError as exc:
        if isinstance(exc, BrokenPipeError):
            raise
        reason = exc.strerror or "cannot be read"
        raise BadInputError(f"{name}: {reason}; give a file of JSON lines") from None


def _embedder_if_here(rulebook: Rulebook) -> Embedder | None:
    """The model of sentences, where a rule could use it; lint does without, and says so."""
    try:
        return embedder_for(rulebook, statuses=TESTED)
    except ModelMissingError as exc:
        click.echo(f"Not checked against everyday talk: {exc}.", err=True)
        return None


def _scanned(scanner: Scanner, line: bytes, place: str, show_values: bool) -> dict[str, Any]:
    try:
        record = parse_record(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInputError(f"{place}: not UTF-8 text; save the file as UTF-8") from None
    except RuleInputError as exc:
        raise BadInputError(f"{place}: {exc}") from None
    return scanner.scan(record, show_values=show_values)


def _load(paths: tuple[Path, ...]) -> tuple[Rulebook, tuple[Case, ...]]:
    rulebook = load_rulebook(rule_files_of(paths))
    return rulebook, load_cases(paths, rulebook)


def _result_json(result: CaseResult) -> dict[str, Any]:
    return {
        "type": "case",
        "name": result.case.name,
        "path": str(result.case.path),
        "line": result.case.line,
        "passed": result.passed,
        "missing": [str(expected) for expected in result.missing],
        "unexpected": list(result.unexpected),
    }


def _emit(record: dict[str, Any]) -> None:
    click.echo(json.dumps(record, ensure_ascii=False))


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}" if len(things) == 1 else f"{len(things)} {name}s"
