"""`earmark webhooks`: receive LiveKit's webhooks."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import click
from rich.console import Console

from earmark.errors import ServiceMissingError
from earmark.logs import setup_logging
from earmark.settings import load_settings
from earmark.wiring import egress_options, livekit_access

if TYPE_CHECKING:
    from realtime.event_receiver import EventReceiver

READY = "Ready: waiting for webhooks"


@click.group
def command() -> None:
    """Receive LiveKit's webhooks: what became of each recording."""


@command.command
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; put TLS before any other than loopback.",
)
@click.option(
    "--port", default=8090, show_default=True, type=click.IntRange(1, 65535), help="Port to use."
)
def serve(host: str, port: int) -> None:
    """Take in webhooks until a signal (Ctrl-C) ends it.

    LiveKit is told the address in its configuration, under webhook. Each webhook must be signed by
    LIVEKIT_API_KEY for just its body. Egress events keep the rows of recordings true; a call that
    nobody observes gets its beginning and end from room events. `GET /` counts what came.

    What never came is found by `earmark recordings reconcile`, which the observer does by itself
    when the recorder is egress.

    \b
    Example:
      earmark webhooks serve --host 0.0.0.0
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    access = livekit_access(settings)
    setup_logging("INFO")
    from realtime.event_receiver import EventReceiver
    from storage.database import open_database

    database = open_database(settings.resolved_database_url)
    receiver = EventReceiver(
        database,
        api_key=access.api_key,
        api_secret=access.api_secret,
        options=egress_options(settings),
    )
    try:
        asyncio.run(_serve(receiver, host, port))
    except OSError as exc:
        raise ServiceMissingError(
            f"--host, --port: {host}:{port} cannot be had: {exc.strerror}"
        ) from None
    finally:
        database.close()


async def _serve(receiver: EventReceiver, host: str, port: int) -> None:
    from realtime.event_receiver import serve as serve_forever

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await serve_forever(
        receiver,
        host=host,
        port=port,
        stopping=stopping,
        on_ready=lambda: Console(stderr=True).print(f"{READY}. Ctrl-C ends."),
    )
