"""`earmark rules backtest`: what a changed rule book would add and lose."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from earmark.commands.record_lines import records
from earmark.wiring import embedder_for
from rules.backtest import Backtest, Change, Decision, PastCall, RuleChange, backtest
from rules.cases import rule_files_of
from rules.loader import load_rulebook
from rules.masking import mask_numbers
from rules.rulebook import RuleStatus


@click.command("backtest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--calls",
    "call_files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="IN.jsonl",
    help="Transcripts, a call a line, as for `scan`; may be given several times.",
)
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Rules in force; may be given several times. Default: the built-in book.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")
def command(
    paths: tuple[Path, ...], call_files: tuple[Path, ...], against: tuple[Path, ...], as_json: bool
) -> None:
    """Run a changed rule book over calls that are over and show what it would add and lose.

    PATHS are the changed rules. Each call is a line {"id", "segments"}, which may hold the
    reviewers' verdicts as well: "reviews": [{"rule", "speaker", "start", "end", "verdict"}] with
    confirmed, false_alarm or escalated. With "masked": true, rules for personal data are left out
    and named, because nothing could be found. Exit code 1: something changes.

    \b
    Example:
      earmark rules backtest my-rules/ --against rules-in-force/ --calls calls.jsonl
    """  # noqa: D301
    in_force = load_rulebook(rule_files_of(against))
    changed = load_rulebook(rule_files_of(paths))
    result = backtest(
        _calls(call_files),
        in_force=in_force,
        changed=changed,
        embedder=embedder_for(in_force, changed, statuses=(RuleStatus.ACTIVE,)),
    )
    if as_json:
        for line in _lines(result):
            click.echo(json.dumps(line, ensure_ascii=False))
    else:
        _show(result)
    sys.exit(0 if all(rule.is_same for rule in result.rules) else 1)


def _calls(files: Sequence[Path]) -> Iterator[PastCall]:
    for file in files:
        for record in records(file):
            yield PastCall(
                id=str(record.id),
                events=record.events,
                timeline=record.timeline,
                is_masked=record.is_masked,
                reviews=record.reviews,
            )


def _show(result: Backtest) -> None:
    for rule in result.rules:
        added, lost = len(rule.added), len(rule.lost)
        click.echo(f"{rule.rule_id}: {rule.n_kept} kept, {added} added, {lost} lost")
        for sign, changes in (("+", rule.added), ("-", rule.lost)):
            for change in changes:
                click.echo(f"  {sign} {_line(change)}")
        for warning in _warnings(rule):
            click.echo(f"  ! {warning}")
    for rule_id in result.not_checked:
        click.echo(f"{rule_id}: not checked on masked calls")
    n_changed = sum(not rule.is_same for rule in result.rules)
    click.echo(f"{result.n_calls} calls, {len(result.rules)} rules hit, {n_changed} changed")


def _warnings(rule: RuleChange) -> Iterator[str]:
    lost = Counter(change.decision for change in rule.lost)
    n_true = lost[Decision.CONFIRMED] + lost[Decision.ESCALATED]
    if n_true:
        yield f"loses {n_true} that reviewers confirmed"
    n_false = sum(change.decision is Decision.FALSE_ALARM for change in rule.added)
    if n_false:
        yield f"adds {n_false} that reviewers called false alarms"


def _line(change: Change) -> str:
    hit = change.hit
    by = "" if hit.speaker is None else f" by {mask_numbers(hit.speaker)}"
    place = f"{change.call_id} {hit.span.start_s:.1f}-{hit.span.end_s:.1f} s{by}"
    return f"{place}: {hit.excerpt} ({change.decision.value})"


def _lines(result: Backtest) -> Iterator[dict[str, Any]]:
    for rule in result.rules:
        for kind, changes in (("added", rule.added), ("lost", rule.lost)):
            for change in changes:
                yield {
                    "type": kind,
                    "rule": rule.rule_id,
                    "call": change.call_id,
                    "start_s": change.hit.span.start_s,
                    "end_s": change.hit.span.end_s,
                    "excerpt": change.hit.excerpt,
                    "verdict": change.decision.value,
                }
        yield {
            "type": "rule",
            "rule": rule.rule_id,
            "n_kept": rule.n_kept,
            "n_added": len(rule.added),
            "n_lost": len(rule.lost),
            "kept_by_verdict": {decision.value: n for decision, n in rule.kept.items()},
        }
    for rule_id in result.not_checked:
        yield {"type": "not_checked", "rule": rule_id}
