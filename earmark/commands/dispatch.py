"""`earmark dispatch`: send the observer, or another agent, into a room."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from earmark.settings import load_settings
from earmark.wiring import LiveKitAccess, egress_options, livekit_access

if TYPE_CHECKING:
    from realtime.egress_requests import EgressOptions


@click.command
@click.argument("room")
@click.option(
    "--agent",
    default="observer",
    show_default=True,
    help="Whom to send: observer, analyst, or any agent by the name that LiveKit knows it by.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON line.")
def command(room: str, agent: str, as_json: bool) -> None:
    """Send the observer into ROOM, and wait until it is there.

    A room that does not exist is created; with the setting egress_auto, so that LiveKit has each of
    its tracks recorded. A room where it is already stays as it is.

    \b
    Example:
      earmark observe &
      earmark dispatch support-42
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    access = livekit_access(settings)
    options = egress_options(settings) if settings.egress_auto else None
    dispatch_id, already_there = asyncio.run(_dispatch(access, room, agent, options))
    if as_json:
        click.echo(json.dumps({"dispatch_id": dispatch_id, "already_there": already_there}))
    elif agent == "observer":
        click.echo("The room is already observed." if already_there else "The observer is in.")
    else:
        click.echo("The agent is already there." if already_there else "The agent is in.")


async def _dispatch(
    access: LiveKitAccess, room: str, agent: str, options: EgressOptions | None
) -> tuple[str, bool]:
    from realtime.dispatch import dispatch, livekit_api
    from realtime.identity import agent_named

    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        today = datetime.now(UTC).date()
        done = await dispatch(
            client,
            room,
            agent_name=agent_named(agent),
            room_egress=options.room_egress(today) if options else None,
        )
    return done.dispatch_id, done.already_there
