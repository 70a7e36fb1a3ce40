"""`earmark db`: see and upgrade the database's schema."""

from __future__ import annotations

import json

import click

from earmark.settings import load_settings


@click.group
def command() -> None:
    """See and upgrade the database.

    Which database: the setting `database_url` (EARMARK_DATABASE_URL), else an SQLite file in the
    data folder.

    An SQLite file is made and upgraded by whatever opens it, so nothing here is needed for it. On
    PostgreSQL, run `earmark db upgrade` once before the first start and after each new version,
    as a user that may create tables. Observers and audits only check, and refuse to start on an
    older schema.
    """


@command.command
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON line.")
def upgrade(as_json: bool) -> None:
    """Bring the schema up to date.

    All missing steps run in one transaction: if one fails, nothing has changed. To run it again,
    or from several machines at once, does no harm. Take a backup first where the data matters.

    \b
    Example:
      export EARMARK_DATABASE_URL=postgresql://earmark:PASSWORD@db.example.com/earmark
      earmark db upgrade
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage.database import schema_status
    from storage.database import upgrade as upgrade_schema

    url = load_settings().resolved_database_url
    from storage.database import open_database
    from storage.queue_summary import refresh_stale

    before = upgrade_schema(url)
    where, _ = schema_status(url)
    database = open_database(url)
    try:
        # Not in the transaction of the steps: observers would wait for all of it.
        n_calls = refresh_stale(database)
    finally:
        database.close()
    if n_calls and not as_json:
        click.echo(f"{where}: {n_calls} calls were put into the queue of reviews.")
    if as_json:
        _print_json(database=where, before=before.current, after=before.head, queued=n_calls)
    elif before.is_current:
        click.echo(f"{where}: was up to date (schema {before.head}).")
    else:
        click.echo(f"{where}: upgraded from {before.current or 'empty'} to {before.head}.")


@command.command
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON line.")
def status(as_json: bool) -> None:
    """Say where the schema stands, and change nothing.

    Exit code 0 if it is up to date, 1 if `earmark db upgrade` has something to do.
    """
    from storage.database import schema_status

    where, state = schema_status(load_settings().resolved_database_url)
    if as_json:
        _print_json(
            database=where, current=state.current, head=state.head, is_current=state.is_current
        )
    elif state.is_current:
        click.echo(f"{where}: up to date (schema {state.head}).")
    else:
        click.echo(
            f"{where}: {f'has schema {state.current}' if state.current else 'has no tables yet'}, "
            f"{state.head} is needed; run `earmark db upgrade`."
        )
    if not state.is_current:
        raise SystemExit(1)


def _print_json(**values: object) -> None:
    click.echo(json.dumps({"type": "schema", **values}))
