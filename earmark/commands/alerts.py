"""`earmark alerts`: what became of alerts, dead ones again, and whether a target is reached."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import uuid4

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from earmark.errors import BadInputError, ServiceMissingError
from earmark.settings import Settings, load_settings

if TYPE_CHECKING:
    from realtime.targets import Target
    from storage.letters import Letter

_PIPED_WIDTH_CHARS = 160


@click.group
def command() -> None:
    """See what became of alerts, send dead ones again, and try a target.

    Alerts to targets outside are rows of the database, written with the hit. `earmark observe`
    delivers them and tries again for about three days what does not arrive; what is given up is
    dead, and stays listed until it is sent again.
    """


@command.command("list")
@click.option("--dead", is_flag=True, help="Only what was given up.")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="How many at most, the newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def list_(dead: bool, limit: int, as_json: bool) -> None:
    """List deliveries of alerts: waiting, delivered, dead or cancelled.

    The id is what the receiver got as webhook-id, the same at each attempt. What several hits
    left under together has the id of one of them, shown as `in`. `kind` is alert or retraction.

    Exit code 0: nothing is dead. 1: something in the list is dead. 2: bad input. 3: the database
    is away.

    \b
    Examples:
      earmark alerts list --dead
      earmark alerts list --json | jq 'select(.last_error == "status 503")'
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage.database import open_database
    from storage.letters import Fate, letters

    database = open_database(load_settings().resolved_database_url)
    try:
        with database.begin(read_only=True) as connection:
            found = letters(connection, dead=dead, limit=limit)
    finally:
        database.close()
    if as_json:
        for letter in found:
            click.echo(json.dumps({"type": "delivery", **asdict(letter)}, default=_plain))
    else:
        _show(found, dead=dead)
    if any(letter.fate is Fate.DEAD for letter in found):
        raise SystemExit(1)


@command.command
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--all", "all_", is_flag=True, help="Everything that is dead, instead of IDs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def replay(ids: tuple[str, ...], all_: bool, as_json: bool) -> None:
    """Queue dead deliveries again, under the ids that they had.

    They are due at once; the next `earmark observe` that runs delivers them. A receiver that did
    get one before knows it by its id. Mend first what they died of: `earmark alerts list --dead`
    names it, `earmark alerts test TARGET` tries the target.

    \b
    Examples:
      earmark alerts replay dl_0c1f5e...
      earmark alerts replay --all
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    if bool(ids) == all_:
        raise BadInputError("give the ids of dead deliveries, or --all; `alerts list --dead`")
    from storage import letters
    from storage.database import open_database

    database = open_database(load_settings().resolved_database_url)
    try:
        with database.begin() as connection:
            revived = letters.replay(connection, now=datetime.now(UTC), ids=None if all_ else ids)
    finally:
        database.close()
    if not revived and not all_:
        raise BadInputError(f"no dead delivery has the id {ids[0]}; see `alerts list --dead`")
    if as_json:
        for id in revived:
            click.echo(json.dumps({"type": "queued", "id": id}))
    else:
        click.echo(f"{len(revived)} queued again; a running `earmark observe` delivers them.")


@command.command
@click.argument("target")
def test(target: str) -> None:
    """Send a target a message that says it is a test.

    TARGET is its name in the setting alert_targets, or `webhook` for that of webhook_url. The
    message goes the way of alerts: signed, in the target's form, to an address that was checked.
    PagerDuty gets a trigger and its resolution at once, so nothing stays open.

    Exit code 0: it was taken. 2: there is no such target, or its address is refused. 3: it was not
    taken.

    \b
    Example:
      earmark alerts test webhook
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    from earmark.alert_wiring import alert_targets

    targets = {each.name: each for each in alert_targets(settings)}
    if target not in targets:
        known = ", ".join(targets) or "none; see docs/alerts.md"
        raise BadInputError(f"no alert target is named {target!r}; there are: {known}")
    error = asyncio.run(_try(targets[target], settings))
    if error is not None:
        raise ServiceMissingError(f"the target {target} did not take it: {error}")
    click.echo(f"The target {target} took the test message.")


async def _try(target: Target, settings: Settings) -> str | None:
    from earmark.alert_wiring import allowed_targets
    from realtime.forms import trial_requests
    from realtime.guard import Guard
    from realtime.pump import guarded_client, post

    guard = Guard(allowed_targets(settings))
    try:
        await guard.check(target.url)
    except OSError:
        return "its name has no address"
    async with guarded_client(guard) as client:
        for request in trial_requests(target, id=f"test_{uuid4().hex}", sent_at=datetime.now(UTC)):
            failure = await post(client, target.url, request)
            if failure is not None:
                return failure.error
    return None


def _show(found: tuple[Letter, ...], *, dead: bool) -> None:
    if not found:
        click.echo("No delivery is dead." if dead else "No alert was queued for a target.")
        return
    table = Table(
        "id", "kind", "target", "rule", "call", "state", "tries", "created", "last error",
        box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for column in (table.columns[0], table.columns[4]):
        column.no_wrap = True  # ids are there to be copied
    for each in found:
        with_it = each.message_id not in {None, each.id}
        table.add_row(
            Text(f"{each.id}\n  in {each.message_id}" if with_it else each.id),
            each.kind,
            each.target,
            each.rule or "",
            each.room_sid,
            each.fate,
            str(each.attempts),
            f"{each.created_at:%Y-%m-%d %H:%M:%S}",
            Text(each.last_error or ""),
        )
    console = Console()
    (console if console.is_terminal else Console(width=_PIPED_WIDTH_CHARS)).print(table)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    raise TypeError(type(value).__name__)
