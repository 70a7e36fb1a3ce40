"""`earmark recordings`: see that what should be recorded is there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from earmark.logs import setup_logging
from earmark.moments import Moment
from earmark.settings import Settings, load_settings
from earmark.wiring import egress_options, livekit_access, open_store

if TYPE_CHECKING:
    from realtime.lister import Listed, Oddity, ServerSide

_SENTENCES = {
    "not_started": "was to be recorded, and no recording was begun",
    "failed": "the recording failed",
    "aborted": "the recording ended before anything was in it",
    "limit_reached": "the recording ends early: it was as long as Egress allows",
    "lost": "the room is over, and Egress does not say what became of the recording",
    "without_file": "the recording ended well, and its file is not in this object store",
    "missing": "the file is gone",
    "size_differs": "the file is not as long as it was when it was written",
    "sha256_differs": "the file is not the one that was recorded: its sha256 differs",
    "manifest_unreadable": "the manifest cannot be read",
    "orphan": "a file that no recording and no manifest tells of",
}


@click.group
def command() -> None:
    """See that what should be recorded is there."""


@command.command
@click.option(
    "--since",
    type=Moment(),
    help="From when on, a time (UTC) or 90m, 24h, 7d ago. Default: 24h, which is as long as a "
    "LiveKit server remembers recordings.",
)
@click.option(
    "--settle",
    "settle_s",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="Seconds that Egress, or an upload, may take after a room is over.",
)
@click.option("--verify", is_flag=True, help="Read every file and compare its sha256.")
@click.option("--offline", is_flag=True, help="Ask no LiveKit server.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def reconcile(
    since: datetime | None, settle_s: float, verify: bool, offline: bool, as_json: bool
) -> None:
    """Lay the database, LiveKit's list and the object store side by side.

    What webhooks missed is taken in; failed and lost recordings, files that are gone or changed,
    and files that nobody knows are named. The audit reports the same of each call.

    Exit code 0: all is there. 1: something is wrong. 2: bad input. 3: a service is missing.

    \b
    Examples:
      earmark recordings reconcile
      earmark recordings reconcile --since 7d --verify --json
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    listed = _look(
        settings,
        since=since or datetime.now(UTC) - timedelta(hours=24),
        settle_s=settle_s,
        verify=verify,
        offline=offline,
    )
    for oddity in listed.oddities:
        _print(oddity, as_json=as_json)
    counts = {
        "egresses": listed.n_egresses,
        "recordings": listed.n_recordings,
        "news": listed.n_news,
        "findings": len(listed.oddities),
    }
    if as_json:
        click.echo(json.dumps({"type": "reconciled", **counts}))
    else:
        click.echo(
            f"{counts['recordings']} recordings, {counts['egresses']} of Egress's; webhooks had "
            f"missed {counts['news']}; {counts['findings'] or 'nothing'} wrong."
        )
    raise SystemExit(1 if listed.oddities else 0)


def _look(
    settings: Settings, *, since: datetime, settle_s: float, verify: bool, offline: bool
) -> Listed:
    from realtime.lister import Lister
    from storage.database import open_database

    options = egress_options(settings)
    server = None if offline else asyncio.run(_ask(settings))
    objects = open_store(settings)
    database = open_database(settings.resolved_database_url)
    try:
        lister = Lister(database, objects, options, settle_s=settle_s)
        return lister.look(server, since=since, verify=verify)
    finally:
        database.close()


async def _ask(settings: Settings) -> ServerSide:
    from realtime.dispatch import livekit_api
    from realtime.lister import ask_server

    access = livekit_access(settings)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        return await ask_server(client)


def _print(oddity: Oddity, *, as_json: bool) -> None:
    if as_json:
        known = {name: value for name, value in asdict(oddity).items() if value is not None}
        click.echo(json.dumps({"type": "finding", **known}))
        return
    where = (
        f"{oddity.room_sid} {oddity.track_id or oddity.egress_id or ''}".strip()
        if oddity.room_sid
        else str(oddity.object_key)
    )
    detail = f" ({oddity.detail})" if oddity.detail else ""
    click.echo(f"{where}: {_SENTENCES[oddity.problem]}{detail}")
