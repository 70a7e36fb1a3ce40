"""`earmark rules backtest`: what a changed rule book would add and lose."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from earmark.backtest_output import JsonOutput, TextOutput
from earmark.commands.record_lines import records
from earmark.errors import BadInputError
from earmark.moments import Moment
from earmark.settings import Settings, load_settings
from earmark.wiring import embedder_for, open_store, rules_in_force
from rules.backtest import Comparison, PastCall, same_packs
from rules.cases import rule_files_of
from rules.loader import load_rulebook
from rules.rulebook import Rulebook, RuleStatus
from storage.past_calls import NotJudged, PastCalls, StoredCall


@click.command("backtest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--calls",
    "call_files",
    multiple=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="IN.jsonl",
    help="Transcripts, a call a line, as for `scan`; may be given several times.",
)
@click.option("--store", "is_store", is_flag=True, help="The calls that were audited.")
@click.option(
    "--since", type=Moment(), help="With --store: calls since a time (UTC), or 90m, 24h, 7d ago."
)
@click.option(
    "--until", type=Moment(is_end=True), help="With --store: calls until a time, or a whole day."
)
@click.option(
    "--call",
    "call_ids",
    multiple=True,
    metavar="ID",
    help="With --store: only the call with this session id; may be given several times.",
)
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Rules in force, all of them; may be given several times. Default: of the setting "
    "`rules`, else of the built-in book, those packs and rules that the changed ones replace.",
)
@click.option(
    "--show",
    "max_shown",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Added and lost hits to list of each rule; --json lists all.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")
def command(
    paths: tuple[Path, ...],
    call_files: tuple[Path, ...],
    is_store: bool,
    since: datetime | None,
    until: datetime | None,
    call_ids: tuple[str, ...],
    against: tuple[Path, ...],
    max_shown: int,
    as_json: bool,
) -> None:
    """Run a changed rule book over calls that are over and show what it would add and lose.

    PATHS are the changed rules. The calls come from the store (--store) or from files (--calls).

    From the store: calls that were audited, with the verdicts of reviewers on them. Rules for
    personal data can be tried only where the audit kept what was said (the setting
    keep_transcripts_days); elsewhere the masked text of the report is used, and those rules are
    named as not checked. Calls without either are named as not judged.

    From files: each call is a line {"id", "segments"}, which may hold verdicts as well:
    "reviews": [{"rule", "speaker", "start", "end", "verdict", "by", "final"}] with confirmed,
    false_alarm or escalated, oldest first. With "masked": true, rules for personal data are left
    out and named.

    Of several verdicts on a hit, the last of each reviewer counts; where they differ and none is
    final, the hit is disputed. Precision is the share of confirmed ones among confirmed ones and
    false alarms.

    Exit code 0: nothing changes, and with --store everything was judged. 1: something changes, or
    a call or a changed rule could not be judged. 2: bad input. 3: a service is missing.

    \b
    Example:
      earmark rules backtest my-rules/card.yaml --store --since 30d
      earmark rules backtest my-rules/ --store --since 2026-03-01 --until 2026-03-31 --json
      earmark rules backtest my-rules/ --against rules-in-force/ --calls calls.jsonl
    """  # noqa: D301
    if is_store == bool(call_files):
        raise BadInputError(
            "give the calls: either --store, for those that were audited, or --calls IN.jsonl"
        )
    if not is_store and (since or until or call_ids):
        raise BadInputError("--since, --until and --call choose calls of the store; add --store")
    settings = load_settings()
    changed = load_rulebook(rule_files_of(paths))
    in_force = _in_force(against, changed, settings)
    comparison = Comparison(
        in_force=in_force,
        changed=changed,
        max_examples=0 if as_json else max_shown,
        embedder=embedder_for(in_force, changed, statuses=(RuleStatus.ACTIVE,)),
    )
    output = JsonOutput() if as_json else TextOutput(max_shown)
    n_not_judged = 0
    if is_store:
        with _stored(settings, since, until, call_ids, as_json=as_json) as calls:
            output.begin(in_force=in_force, changed=changed)
            for call, read in calls:
                if isinstance(read, NotJudged):
                    n_not_judged += 1
                    output.not_judged(call.room_sid, read)
                else:
                    output.changes(comparison.add(read))
    else:
        for past in _calls(call_files):
            output.changes(comparison.add(past))
    result = comparison.result()
    output.end(result, is_store=is_store)
    is_judged = not is_store or (result.is_whole and not n_not_judged)
    sys.exit(0 if result.is_same and is_judged else 1)


def _in_force(against: tuple[Path, ...], changed: Rulebook, settings: Settings) -> Rulebook:
    book = rules_in_force(rule_files_of(against), settings).rulebook
    return book if against else same_packs(book, changed)


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


@contextmanager
def _stored(
    settings: Settings,
    since: datetime | None,
    until: datetime | None,
    call_ids: tuple[str, ...],
    *,
    as_json: bool,
) -> Iterator[Iterable[tuple[StoredCall, PastCall | NotJudged]]]:
    """Calls of the store, read one at a time, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    from storage.database import open_database

    objects = open_store(settings)
    objects.check()
    database = open_database(settings.resolved_database_url)
    try:
        past = PastCalls(database, objects)
        found = past.find(since=since, until=until, room_sids=call_ids)
        if not found:
            raise BadInputError(
                f"no calls in that time in {database.describe()}; `earmark audit` audits calls"
            )
        console = Console(stderr=True)
        bar = track(
            found,
            description="Backtest",
            console=console,
            transient=True,
            # Lines and a bar on one terminal would write over each other.
            disable=not console.is_terminal or (as_json and sys.stdout.isatty()),
        )
        yield ((call, past.read(call)) for call in bar)
    finally:
        database.close()
