"""`earmark retention`: what is older than its time, and its deletion."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from earmark.keeping_screen import KeepingScreen, opened, shown_bytes
from earmark.keeping_settings import retention_policy
from earmark.logs import setup_logging
from earmark.settings import load_settings

if TYPE_CHECKING:
    from storage.retention import Item, Summary
    from storage.retention_policy import Policy


@click.group
def command() -> None:
    """See and delete what is older than its time.

    The times are the settings keep_..._days. What has no time is kept. What is under legal hold
    (`earmark hold`) or locked by the store is never touched.
    """


@command.command
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def apply(dry_run: bool, as_json: bool) -> None:
    """Delete what is due: objects with all their versions, then rows.

    What the audit has marked for deletion, such as recordings with a card's security code, goes
    first, whatever its age. Each deletion is noted before and closed after, so a run that is
    killed is gone on with by the next one. To run it again does nothing twice.

    Exit code 0: nothing due is left. 1: something due was kept, because it is held or locked.
    2: bad input. 3: a service is missing.

    \b
    Examples:
      earmark retention apply --dry-run
      EARMARK_KEEP_RECORDINGS_DAYS=90 earmark retention apply --json
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage.retention import Fate, Retention, Summary

    settings = load_settings()
    setup_logging("ERROR")
    screen = KeepingScreen()
    policy = retention_policy(settings)
    with opened(settings) as (database, store):
        retention = Retention(database, store, policy)

        def tell(item: Item) -> None:
            counter.add()
            if as_json:
                click.echo(json.dumps(_json(item)))
            elif dry_run or item.fate is not Fate.DELETED:
                click.echo(_line(item))

        with screen.busy("Looking" if dry_run else "Deleting") as counter:
            if dry_run:
                summary = Summary()
                for item in retention.due():
                    summary.count(item)
                    tell(item)
            else:
                summary = retention.apply(tell)
    if as_json:
        click.echo(json.dumps({"type": "summary", "dry_run": dry_run, **asdict(summary)}))
    else:
        click.echo(_summed(summary, dry_run=dry_run))
        _warn_of_no_times(policy, screen)
    raise SystemExit(1 if summary.n_held or summary.n_locked or summary.n_waiting else 0)


@command.command
@click.option(
    "--within",
    "within_days",
    type=click.IntRange(0, 36_500),
    default=30,
    show_default=True,
    help="Days to look ahead.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def status(within_days: int, as_json: bool) -> None:
    """Say what goes when, under the times that are set.

    \b
    Examples:
      earmark retention status
      earmark retention status --within 90 --json
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage.deletions import open_deletions
    from storage.holds import held_calls
    from storage.retention import Retention
    from storage.retention_policy import Kind

    settings = load_settings()
    setup_logging("ERROR")
    screen = KeepingScreen()
    policy = retention_policy(settings)
    days: dict[tuple[str, str, str], int] = {}
    with opened(settings) as (database, store):
        with screen.busy("Looking") as counter:
            for item in Retention(database, store, policy).due(within=timedelta(days=within_days)):
                counter.add()
                key = (item.due_at.date().isoformat(), item.kind.value, item.fate.value)
                days[key] = days.get(key, 0) + 1
        with database.begin(read_only=True) as connection:
            n_held = len(held_calls(connection).room_sids)
            n_open = len(open_deletions(connection))
    if as_json:
        for kind in Kind:
            click.echo(json.dumps({"type": "time", "kind": kind, "days": policy.days(kind)}))
        for (day, each, fate), count in sorted(days.items()):
            line = {"type": "due", "day": day, "kind": each, "fate": fate, "count": count}
            click.echo(json.dumps(line))
        click.echo(json.dumps({"type": "status", "held_calls": n_held, "unfinished": n_open}))
        return
    for kind in Kind:
        found = policy.days(kind)
        click.echo(
            f"{kind.value:<12} {'kept: no time is set' if found is None else f'{found} days'}"
        )
    for (day, each, fate), count in sorted(days.items()):
        click.echo(f"{day}  {count} of {each}{'' if fate == 'due' else f', {fate}'}")
    if not days:
        click.echo(f"Nothing goes within {within_days} days.")
    click.echo(f"{n_held} calls under legal hold; {n_open} deletions begun and not finished.")


def _json(item: Item) -> dict[str, object]:
    return {"type": "item", **asdict(item), "due_at": item.due_at.isoformat()}


def _line(item: Item) -> str:
    why = f": {item.why}" if item.why else ""
    return (
        f"{item.fate.value:<8} {item.kind.value:<12} {item.name} (due {item.due_at:%Y-%m-%d}){why}"
    )


def _summed(summary: Summary, *, dry_run: bool) -> str:
    would = "would be deleted" if dry_run else "deleted"
    kept = summary.n_held + summary.n_locked + summary.n_waiting
    rows = f"the rows of {summary.n_calls} calls" + ("" if dry_run else f" ({summary.n_rows})")
    return (
        f"{summary.n_objects} objects in {summary.n_versions} versions "
        f"({shown_bytes(summary.size_bytes)}) and {rows} {would}; {kept or 'nothing'} kept: "
        f"{summary.n_held} held, {summary.n_locked} locked, {summary.n_waiting} waiting."
    )


def _warn_of_no_times(policy: Policy, screen: KeepingScreen) -> None:
    from storage.retention_policy import Kind

    unset = [kind.value for kind in Kind if policy.days(kind) is None]
    if unset:
        screen.say(f"No time is set for {', '.join(unset)}: these are kept.")
