"""`earmark hold`: calls of which nothing may be deleted."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from earmark.errors import BadInputError
from earmark.keeping_screen import KeepingScreen, opened, who
from earmark.logs import setup_logging
from earmark.settings import load_settings

if TYPE_CHECKING:
    from storage.holds import Hold

BY_OPTION = click.option("--by", help="Who says so. Default: the user of this machine.")


@click.group
def command() -> None:
    """Put calls under legal hold, and lift it.

    Of a held call, `earmark retention` and `earmark erase` delete nothing. In a bucket with Object
    Lock, every version of its objects gets S3's legal hold as well; a folder's files become
    read-only. Who held what, when and why stays in the database.
    """


@command.command("set")
@click.argument("call")
@click.option("--reason", required=True, help="Why; without personal data, it is kept for years.")
@BY_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the hold as a JSON line.")
def set_(call: str, reason: str, by: str | None, as_json: bool) -> None:
    """Put a call under hold. CALL is its session id (RM_...).

    \b
    Example:
      earmark hold set RM_yhXwkTxcnNPK --reason "claim 2026-117"
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage import holds

    settings = load_settings()
    setup_logging("ERROR")
    screen = KeepingScreen()
    with opened(settings) as (database, store):
        with database.begin(read_only=True) as connection:
            is_known = holds.known_call(connection, call)
        if not is_known and not any(call in found.key for found in store.list("recordings/")):
            raise BadInputError(
                f"no call and no recording with the session id {call!r} in {store.describe()}"
            )
        with database.begin() as connection:
            hold, is_new = holds.set_hold(
                connection, call, reason=reason, set_by=who(by), now=datetime.now(UTC)
            )
        # The row first: from here on Earmark deletes nothing, whatever becomes of the store.
        with screen.busy("Holding objects"):
            n_versions = holds.hold_objects(database, store, [call], on=True)
        locking = store.locking()
    if as_json:
        line = _json(hold) | {"is_new": is_new, "n_versions": n_versions}
        click.echo(json.dumps(line | {"is_enforced": locking.is_enforced}))
    else:
        state = "is under hold" if is_new else "was under this hold already"
        click.echo(f"{call} {state} ({hold.hold_id}); {n_versions} versions of objects are held.")
    if not locking.is_enforced:
        screen.warn(
            f"{store.describe()} does not enforce it: Earmark's own commands respect the hold, "
            "other programs may not. Object Lock on a bucket would."
        )


@command.command
@click.argument("call")
@click.option("--reason", required=True, help="Why it may go.")
@click.option("--id", "hold_id", help="Which hold, where there are several.")
@click.option("--all", "every", is_flag=True, help="All holds of the call.")
@BY_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def release(
    call: str, reason: str, hold_id: str | None, every: bool, by: str | None, as_json: bool
) -> None:
    """Lift a call's hold. Objects are let go when none of its holds is left.

    \b
    Example:
      earmark hold release RM_yhXwkTxcnNPK --reason "claim settled"
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage import holds

    settings = load_settings()
    setup_logging("ERROR")
    screen = KeepingScreen()
    with opened(settings) as (database, store):
        with database.begin() as connection:
            lifted = holds.release_holds(
                connection, call, reason=reason, released_by=who(by), now=datetime.now(UTC),
                hold_id=hold_id, every=every,
            )  # fmt: skip
            is_held = holds.is_held(connection, call)
        n_versions = 0
        if not is_held:
            with screen.busy("Letting objects go"):
                n_versions = holds.hold_objects(database, store, [call], on=False)
    for hold in lifted:
        if as_json:
            click.echo(json.dumps({"type": "released", "hold_id": hold.hold_id, "call": call}))
        else:
            click.echo(f"{hold.hold_id} of {call} is lifted.")
    if not as_json:
        click.echo(
            f"{call} stays under hold: others are in force."
            if is_held
            else f"{n_versions} versions of objects are no longer held."
        )


@command.command("list")
@click.argument("call", required=False)
@click.option("--all", "every", is_flag=True, help="Those that were lifted, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def list_(call: str | None, every: bool, as_json: bool) -> None:
    """List holds: which call, since when, by whom and why."""
    from storage.database import open_database
    from storage.holds import all_holds

    database = open_database(load_settings().resolved_database_url)
    try:
        with database.begin(read_only=True) as connection:
            found = [
                hold
                for hold in all_holds(connection, active_only=not every)
                if call is None or hold.room_sid == call
            ]
    finally:
        database.close()
    for hold in found:
        if as_json:
            click.echo(json.dumps(_json(hold)))
            continue
        line = (
            f"{hold.hold_id}  {hold.room_sid}  since {hold.set_at:%Y-%m-%d %H:%M} by {hold.set_by}"
        )
        line += f": {hold.reason}"
        if hold.released_at is not None:
            line += (
                f"; lifted {hold.released_at:%Y-%m-%d %H:%M} by {hold.released_by}: "
                f"{hold.release_reason}"
            )
        click.echo(line)
    if not found and not as_json:
        click.echo("No call is under hold." if call is None else f"{call} is not under hold.")


def _json(hold: Hold) -> dict[str, object]:
    values = asdict(hold)
    for name in ("set_at", "released_at"):
        values[name] = values[name].isoformat() if values[name] else None
    return {"type": "hold", "call": values.pop("room_sid"), **values}
