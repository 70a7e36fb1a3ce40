"""`earmark demo`: the whole way of the data, on a real LiveKit room."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from earmark.errors import ServiceMissingError

if TYPE_CHECKING:
    from earmark.demo_call import ReceivedAlert
    from realtime.devserver import DevServer

_SPEAKERS = ("agent", "customer")
_ENDED_TIMEOUT_S = 90.0
# The last words are recognised after they were said.
_AFTER_CALL_S = 4.0


@click.command
@click.option(
    "--livekit-server",
    "server",
    type=click.Path(path_type=Path),
    envvar="LIVEKIT_SERVER_BIN",
    help="The livekit-server binary. Default: LIVEKIT_SERVER_BIN, else the one on PATH.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-data"),
    show_default=True,
    help="Where the demo keeps its database, recordings and report; emptied first.",
)
def command(server: Path | None, data_dir: Path) -> None:
    """Show everything on a call of two synthetic people.

    Starts a LiveKit server on loopback, sends the hidden observer into a room, plays an agent and a
    customer, prints the alerts that a supervisor gets while they speak, and audits the recordings.
    Without a livekit-server it says so and replays the same audio instead. About two minutes.
    """
    from realtime.devserver import find_livekit_server

    # The demo stops the server under its own clients; what they say of that helps nobody.
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    console = Console(highlight=False)
    folder = data_dir.absolute()
    _empty(folder)
    binary = find_livekit_server(server)
    started_s = time.monotonic()
    if binary is None:
        console.print(
            "No livekit-server here, so there is no real room: the same audio goes through the "
            "same path by `earmark replay`. `make demo` builds a server where Go is installed.",
            style="yellow",
        )
        code = _replay_and_audit(folder, console)
    else:
        code = _call_and_audit(binary, folder, console)
    console.print(
        f"Done in {time.monotonic() - started_s:.0f} s. Open the report in a browser, or review "
        "the call in the console:",
        style="bold",
    )
    console.print(f"  EARMARK_DATA_DIR={shlex.quote(str(folder))} earmark console", soft_wrap=True)
    sys.exit(code)


def _empty(folder: Path) -> None:
    marker = folder / ".earmark-demo"
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise click.UsageError(f"{folder} holds something else; give --data-dir another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()


def _environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EARMARK_", "LIVEKIT_")) or name == "EARMARK_MODELS_DIR"
    }
    return kept | {"EARMARK_DATA_DIR": str(folder)} | more


@contextmanager
def _demo_files() -> Iterator[list[Path]]:
    with as_file(files("earmark") / "demo_audio") as folder:
        yield [folder / f"{speaker}.ogg" for speaker in _SPEAKERS]


def _earmark(arguments: Sequence[str], environment: dict[str, str]) -> int:
    return subprocess.run(
        [sys.executable, "-m", "earmark", *arguments], env=environment, check=False
    ).returncode


def _replay_and_audit(folder: Path, console: Console) -> int:
    environment = _environment(folder)
    with _demo_files() as paths:
        names = [str(path) for path in paths]
        console.rule("Live path")
        if _earmark(["replay", *names, "--speed", "max"], environment) != 1:
            raise ServiceMissingError("the live path raised no alert; run `earmark doctor`")
        console.rule("Audit")
        return _verdict(_earmark(["audit", *names], environment), folder)


def _call_and_audit(binary: Path, folder: Path, console: Console) -> int:
    from realtime.devserver import running_livekit_server

    with running_livekit_server(binary, folder) as server:
        console.print(f"LiveKit server at {server.url}")
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        environment = _environment(
            folder,
            LIVEKIT_URL=server.url,
            LIVEKIT_API_KEY=server.api_key,
            LIVEKIT_API_SECRET=server.api_secret,
            EARMARK_SIGNING_SECRET=secret,
        )
        with _observer(folder, environment, console):
            console.rule("Live: two people talk, a hidden observer listens")
            room_sid, alerts = asyncio.run(_call(server, secret, folder, console))
        if not any(alert.authentic for alert in alerts):
            raise ServiceMissingError(
                f"no alert reached the supervisor; the observer's log is {folder / 'observer.log'}"
            )
    console.rule("Audit: the recordings are read again")
    return _verdict(_earmark(["audit", "--call", room_sid], environment), folder)


@contextmanager
def _observer(folder: Path, environment: dict[str, str], console: Console) -> Iterator[None]:
    from earmark.observer_process import running_observer

    with ExitStack() as stack:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), console=console, transient=True
        ) as progress:
            progress.add_task("The observer loads its models", total=None)
            stack.enter_context(running_observer(environment, folder / "observer.log"))
        console.print("The observer waits for rooms.")
        yield


async def _call(
    server: DevServer, secret: str, folder: Path, console: Console
) -> tuple[str, list[ReceivedAlert]]:
    from livekit import api

    from earmark.demo_call import Access, Caller, SupervisorClient
    from realtime.clock import CallClock, call_start
    from realtime.dispatch import dispatch, livekit_api
    from rules.types import Role
    from speech.audio import SAMPLE_RATE_HZ, decode

    access = Access(url=server.url, api_key=server.api_key, api_secret=server.api_secret)
    room_name = "demo"
    alerts: list[ReceivedAlert] = []
    with _demo_files() as paths:
        sound = [decode(path).samples[0] for path in paths]
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=room_name))
        clock = CallClock.start(
            call_start(creation_time_s=room.creation_time, creation_time_ms=room.creation_time_ms)
        )
        callers = [
            Caller(access, room_name, name, role)
            for name, role in zip(_SPEAKERS, (Role.AGENT, Role.CUSTOMER), strict=True)
        ]
        names: dict[str, str] = {}

        def show(alert: ReceivedAlert) -> None:
            alerts.append(alert)
            _show_alert(console, alert, names, clock.now_s())

        supervisor = SupervisorClient(access, room_name, "supervisor", secret=secret, on_alert=show)
        await dispatch(client, room_name)
        for member in (*callers, supervisor):
            await member.join()
            names[member.room.local_participant.sid] = member.identity
        for caller in callers:
            await caller.publish()
        with Progress(
            TextColumn("On the call"), BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
            console=console, transient=True,
        ) as progress:  # fmt: skip
            task = progress.add_task("call", total=max(map(len, sound)) / SAMPLE_RATE_HZ)
            await asyncio.gather(
                callers[0].speak(sound[0], lambda said_s: progress.update(task, completed=said_s)),
                callers[1].speak(sound[1]),
            )
            await asyncio.sleep(_AFTER_CALL_S)
        for member in (*callers, supervisor):
            await member.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=room_name))
        with console.status("The observer puts the recordings away"):
            await _wait_for_end(folder, room.sid)
    return room.sid, alerts


def _show_alert(
    console: Console, alert: ReceivedAlert, names: dict[str, str], now_s: float
) -> None:
    from realtime.alerts import UPDATE
    from rules.types import HitState

    if not alert.authentic:
        console.print("A data message with a wrong signature was ignored.", style="yellow")
        return
    payload = alert.payload
    start_s, end_s = float(str(payload["start_s"])), float(str(payload["end_s"]))
    who = names.get(str(payload["participant_sid"]), "the call")
    if payload["type"] == UPDATE:
        if payload["state"] == HitState.RETRACTED.value:
            console.print(f"taken back: {payload['rule']}  {who}", style="dim", soft_wrap=True)
        return  # what is confirmed was shown, and stands
    console.print(
        f"[bold red]ALERT[/] {payload['severity']}  {payload['rule']}  {who}, "
        f"{start_s:.1f} to {end_s:.1f} s: {payload['excerpt']}  "
        f"[bold](reached the supervisor {now_s - end_s:.1f} s later)[/]",
        soft_wrap=True,
    )


async def _wait_for_end(folder: Path, room_sid: str) -> None:
    from storage import calls
    from storage.database import open_database

    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    deadline_s = time.monotonic() + _ENDED_TIMEOUT_S
    try:
        while time.monotonic() < deadline_s:
            with database.begin() as connection:
                call = calls.get_call(connection, room_sid)
            if call is not None and call.ended_at is not None:
                return
            await asyncio.sleep(0.25)
    finally:
        database.close()
    raise ServiceMissingError(
        f"the observer did not finish the call; its log is {folder / 'observer.log'}"
    )


def _verdict(audit_code: int, folder: Path) -> int:
    reports = sorted((folder / "objects" / "reports").rglob("report.json"))
    if audit_code not in {0, 1} or not reports:
        raise ServiceMissingError(f"the audit failed with exit code {audit_code}")
    report = json.loads(reports[-1].read_text(encoding="utf-8"))
    on_card = [f for f in report["findings"] if f.get("rule_id") == "pii.card-number"]
    if not on_card:
        raise ServiceMissingError("the audit did not find the card number")
    return 0
