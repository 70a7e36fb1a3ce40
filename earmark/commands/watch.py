"""`earmark watch`: keep the rooms of a server observed."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console

from earmark.errors import ServiceMissingError
from earmark.logs import setup_logging
from earmark.settings import Settings, load_settings
from earmark.wiring import LiveKitAccess, livekit_access

if TYPE_CHECKING:
    from realtime.watcher import Watcher
    from realtime.watching import Round
    from storage.database import Database

# A watcher that has not looked for so many intervals, and a bit, is not watching.
_LATE_INTERVALS = 3
_LATE_S = 30.0


@click.command
@click.option("--once", is_flag=True, help="Look once, do what is to be done, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print what each look found as JSON lines.")
@click.option(
    "--port",
    default=8082,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the page with health and metrics; 0 takes a free one. Not with --once.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of that page.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is logged.",
)
def command(once: bool, as_json: bool, port: int, host: str, log_level: str) -> None:
    """Keep the rooms of a LiveKit server observed.

    Looks at the rooms every few seconds, sends an observer into each that has none, and again when
    an observer was lost, with growing pauses and an end. A room that stays without one is reported:
    its call is stored with a gap, so that no audit calls it clean. Which rooms are watched, the
    settings `watch_*` say. Several watchers may run at once: they share the work by the database.

    With --once, exit code 1 says that a room has been without an observer for too long.

    \b
    Examples:
      earmark watch
      earmark watch --once --json | jq 'select(.state == "given_up")'
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    access = livekit_access(settings)
    setup_logging(log_level.upper())
    # livekit takes seconds to import: not before the settings are known to be good.
    from realtime.dispatch import check_livekit
    from storage.database import open_database

    asyncio.run(check_livekit(access.url, access.api_key, access.api_secret))
    database = open_database(settings.resolved_database_url)
    try:
        if once:
            found = asyncio.run(_look_once(settings, access, database))
            if as_json:
                _print_json(found)
            else:
                click.echo(_summary(found))
            raise SystemExit(int(any(room.is_reported for room in found.rooms)))
        asyncio.run(
            _watch(
                settings,
                access,
                database,
                host=host,
                port=port,
                on_round=_print_json if as_json else lambda _: None,
            )
        )
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        raise ServiceMissingError(
            f"--port: {port} is taken on this machine; give another, or 0 for a free one"
        ) from None
    finally:
        database.close()


def _watcher(
    settings: Settings,
    access: LiveKitAccess,
    database: Database,
    on_round: Callable[[Round], None] = lambda _: None,
) -> Watcher:
    from realtime.dispatch import livekit_api
    from realtime.watcher import Watcher, WatchPolicy

    return Watcher(
        connect=lambda: livekit_api(access.url, access.api_key, access.api_secret),
        database=database,
        policy=WatchPolicy(
            include=settings.watch_include,
            exclude=settings.watch_exclude,
            min_participants=settings.watch_min_participants,
            report_after_s=settings.watch_report_after_s,
            participants_may_opt_out=settings.watch_participants_may_opt_out,
        ),
        on_round=on_round,
    )


async def _look_once(settings: Settings, access: LiveKitAccess, database: Database) -> Round:
    from realtime.dispatch import livekit_api

    watcher = _watcher(settings, access, database)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        return await watcher.look(client)


async def _watch(
    settings: Settings,
    access: LiveKitAccess,
    database: Database,
    *,
    host: str,
    port: int,
    on_round: Callable[[Round], None],
) -> None:
    """Watch until a signal asks to stop."""
    from prometheus_client import generate_latest

    from realtime import metrics
    from realtime.status_page import StatusPage

    interval_s = settings.watch_interval_s
    last_look_s = time.monotonic()

    def looked(found: Round) -> None:
        nonlocal last_look_s
        last_look_s = time.monotonic()
        metrics.count_round(found)
        on_round(found)

    async def is_late() -> str | None:
        since_s = time.monotonic() - last_look_s
        late_s = _LATE_INTERVALS * interval_s + _LATE_S
        return f"no look at the rooms for {since_s:.0f} s" if since_s > late_s else None

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    page = StatusPage(checks={"watch": is_late}, vital=frozenset(), render=generate_latest)
    console = Console(stderr=True)
    async with page.serving(host, port) as page_port:
        console.print(f"Health and metrics: http://{host}:{page_port}/")
        console.print("Watching the rooms. Ctrl-C ends.")
        watcher = _watcher(settings, access, database, looked)
        watching = asyncio.create_task(watcher.run(interval_s=interval_s), name="watcher")
        asked = asyncio.create_task(stopping.wait(), name="stop-signal")
        try:
            await asyncio.wait({watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            for task in (watching, asked):
                task.cancel()
            await asyncio.gather(watching, asked, return_exceptions=True)


def _print_json(found: Round) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    for room in found.rooms:
        line: dict[str, object] = {"type": "room", "room_sid": room.room_sid, "state": room.state}
        if room.unobserved_since is not None:
            line["unobserved_since"] = room.unobserved_since.isoformat(timespec="milliseconds")
            line["reported"] = room.is_reported
        click.echo(json.dumps(line))
    counts = Counter(room.state.value for room in found.rooms)
    n_reported = sum(room.is_reported for room in found.rooms)
    click.echo(json.dumps({"type": "look", "at": at, "rooms": counts, "unobserved": n_reported}))


def _summary(found: Round) -> str:
    counts = Counter(room.state.value.replace("_", " ") for room in found.rooms)
    text = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
    n_reported = sum(room.is_reported for room in found.rooms)
    return f"Rooms: {text}." + (
        f" Without an observer for too long: {n_reported}." if n_reported else ""
    )
