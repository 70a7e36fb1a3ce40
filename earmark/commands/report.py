"""`earmark report`: what the audits of a day come to, and tables for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from earmark.errors import BadInputError
from earmark.logs import setup_logging
from earmark.moments import Day
from earmark.settings import load_settings

if TYPE_CHECKING:
    from storage.database import Database
    from storage.objects import ObjectStore

DAY_OPTION = click.option(
    "--date", "day", type=Day(), required=True, help="The day, UTC, on which calls began."
)
JSON_OPTION = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there."
)


@click.group
def command() -> None:
    """Sum up the audits of a day, and give their tables to other programs."""


@command.command
@DAY_OPTION
@JSON_OPTION
def nightly(day: date, as_json: bool) -> None:
    """Write the summary of a day, and its tables, from the reports that are there.

    The page and its JSON go to reports/DAY/ in the object store, tables by date to tables/. Both
    are made anew each time. `earmark audit --date` does the same when it is through.

    Exit code 0: every call of the day has a report, and was wholly checked. 1: some have not, or
    were not. 2: bad input. 3: a service is missing.

    \b
    Example:
      earmark report nightly --date 2026-03-01
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from offline.night import sum_up
    from offline.nightly_html import headline

    with _opened() as (database, objects):
        night = sum_up(database, objects, day)
        summary = night.nightly
        if as_json:
            line = {
                "type": "nightly",
                "day": day.isoformat(),
                "calls": summary.n_calls,
                "findings": sum(summary.n_by_severity.values()),
                "not_audited": len(summary.not_audited),
                "complete": summary.is_whole,
                "html": objects.url(night.html_key),
                "json": objects.url(night.json_key),
                "tables": [objects.url(key) for key in night.table_keys],
            }
            click.echo(json.dumps(line))
        else:
            click.echo(f"{day.isoformat()}: {headline(summary)}")
            click.echo(f"Summary: {objects.url(night.html_key)}")
    raise SystemExit(0 if summary.is_whole else 1)


@command.command
@DAY_OPTION
@click.option(
    "--format",
    "format",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="CSV is safe to open in a spreadsheet: no cell is a formula.",
)
@click.option(
    "--out", "to", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder for the files; made where it is missing.",
)  # fmt: skip
@JSON_OPTION
def export(day: date, format: Literal["csv", "parquet"], to: Path, as_json: bool) -> None:
    """Write the reports of a day as tables: calls, findings, coverage, speakers, scores.

    Text is as masked as the reports are.

    Exit code 0: written. 1: written, and a report could not be read. 2: bad input. 3: a service is
    missing.

    \b
    Example:
      earmark report export --date 2026-03-01 --format csv --out tables/
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from offline import days
    from offline.export import export as write
    from offline.tables import joined, rows_of

    with _opened() as (_, objects):
        reports = days.Day(objects, day)
        tables = joined(rows_of(report) for report in reports.reports())
        if not tables["calls"] and not reports.unreadable:
            raise BadInputError(
                f"no report of {day.isoformat()} in {objects.describe()}; "
                f"`earmark audit --date {day.isoformat()}` makes them"
            )
        files = write(tables, format, to)
    for key in reports.unreadable:
        click.echo(f"earmark: {key} cannot be read; audit the call again", err=True)
    for path, (name, rows) in zip(files, tables.items(), strict=True):
        if as_json:
            line = {"type": "table", "table": name, "rows": len(rows), "file": str(path)}
            click.echo(json.dumps(line))
        else:
            click.echo(f"{path}: {len(rows)} {'row' if len(rows) == 1 else 'rows'}")
    raise SystemExit(1 if reports.unreadable else 0)


@contextmanager
def _opened() -> Iterator[tuple[Database, ObjectStore]]:
    from storage.database import open_database
    from storage.objects import open_objects

    settings = load_settings()
    setup_logging("ERROR")
    objects = open_objects(settings.resolved_objects_url, s3_endpoint_url=settings.s3_endpoint_url)
    objects.check()
    database = open_database(settings.resolved_database_url)
    try:
        yield database, objects
    finally:
        database.close()
