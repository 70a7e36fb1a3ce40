"""`earmark rules explain`: why a transcript hit a rule, or why it did not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from earmark.commands.record_lines import records
from earmark.errors import BadInputError
from earmark.wiring import embedder_for
from rules.cases import rule_files_of, sentence_events
from rules.explain import Explanation, Finding, explain
from rules.loader import load_rulebook
from rules.masking import mask_numbers
from rules.records import Record
from rules.rulebook import Rule, Rulebook, RuleStatus


@click.command("explain")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--rule", "rule_ids", multiple=True, metavar="ID", help="Only this rule; repeatable.")
@click.option("--text", help="A sentence to look at.")
@click.option(
    "--transcript",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="IN.jsonl",
    help="Records as for `scan`, or - for standard input.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")
def command(
    paths: tuple[Path, ...],
    rule_ids: tuple[str, ...],
    text: str | None,
    transcript: Path | None,
    as_json: bool,
) -> None:
    """Show step by step why a transcript hit a rule, or why it did not.

    Each condition of the rule is listed with everything that it came upon: what it found and when,
    what it passed over and why. Excerpts are masked. Without PATHS, the built-in book is used;
    without --rule, every rule that came upon anything is shown.

    \b
    Examples:
      earmark rules explain --text "there are no guaranteed returns"
      earmark rules explain my-rules/ --rule my.rule --transcript call.jsonl
    """  # noqa: D301
    if (text is None) == (transcript is None):
        raise BadInputError("nothing to explain; give either --text or --transcript")
    rulebook = load_rulebook(rule_files_of(paths))
    rules = _chosen(rulebook, rule_ids)
    shown = replace(rulebook, rules=rules)
    embedder = embedder_for(shown, statuses=tuple(RuleStatus))
    for record in _records(text, transcript):
        for rule in rules:
            explanation = explain(rule, record.events, timeline=record.timeline, embedder=embedder)
            if not rule_ids and not any(each.findings for each in explanation.conditions):
                continue
            if as_json:
                click.echo(json.dumps(_json(record, explanation), ensure_ascii=False))
            else:
                _show(record, explanation)


def _chosen(rulebook: Rulebook, rule_ids: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(rulebook.rule(rule_id) for rule_id in rule_ids) or rulebook.rules


def _records(text: str | None, transcript: Path | None) -> Iterator[Record]:
    if text is not None:
        yield Record(id="text", timeline=False, events=sentence_events(text))
    if transcript is not None:
        yield from records(transcript)


def _show(record: Record, explanation: Explanation) -> None:
    click.echo(f"{record.id}: {explanation.rule.id}: {explanation.reason}")
    for each in explanation.conditions:
        indent = "  " * (each.depth + 1)
        click.echo(f"{indent}{each.label}")
        for finding in each.findings:
            click.echo(f"{indent}  {_line(finding)}")
        if not each.findings:
            click.echo(f"{indent}  never found")


def _line(finding: Finding) -> str:
    at = "" if finding.at_s is None else f" at {finding.at_s:.1f} s"
    by = "" if finding.speaker is None else f" by {mask_numbers(finding.speaker)}"
    score = "" if finding.score in {None, 1.0} else f", score {finding.score:g}"
    said = f": {finding.excerpt}" if finding.excerpt else ""
    return f"{finding.verdict.value}{at}{by}{score}{said}"


def _json(record: Record, explanation: Explanation) -> dict[str, Any]:
    return {
        "type": "explanation",
        "id": record.id,
        "rule": explanation.rule.id,
        "n_hits": explanation.n_hits,
        "reason": explanation.reason,
        "conditions": [
            {
                "depth": each.depth,
                "label": each.label,
                "findings": [
                    {
                        "verdict": finding.verdict.value,
                        "excerpt": finding.excerpt,
                        "speaker": finding.speaker and mask_numbers(finding.speaker),
                        "start_s": finding.start_s,
                        "at_s": finding.at_s,
                        "score": finding.score,
                    }
                    for finding in each.findings
                ],
            }
            for each in explanation.conditions
        ],
    }
