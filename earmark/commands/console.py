"""`earmark console`: the web application for those who review calls."""

from __future__ import annotations

import getpass
import json
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING

import click
from rich.console import Console as Screen

from earmark.console_settings import CONSOLE_ROLES
from earmark.console_wiring import check_packages, console_options, open_console
from earmark.errors import BadInputError, ServiceMissingError
from earmark.logs import setup_logging
from earmark.settings import Settings, load_settings

if TYPE_CHECKING:
    from console.state import ConsoleOptions
    from storage.database import Database

NAME_OPTION = click.option(
    "--name", help="Who the link signs in. Default: the user of this machine."
)
ROLE_OPTION = click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(CONSOLE_ROLES),
    help="What they are; may be repeated. Default: everything.",
)


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8070, show_default=True, type=click.IntRange(0, 65535),
    help="Port to use; 0 takes a free one.",
)  # fmt: skip
@NAME_OPTION
@ROLE_OPTION
@click.option("--open/--no-open", "opens", default=True, help="Open the link in the browser.")
@click.pass_context
def command(
    ctx: click.Context, host: str, port: int, name: str | None, roles: tuple[str, ...], opens: bool
) -> None:
    """Start the review console, and sign in by a one-time link.

    The console is where people work through flagged calls: queue, call page with sound and
    transcript, verdicts, rules. Everything is masked by default, and what is looked at is noted in
    the audit trail.

    Without other settings it uses the embedded database and folder, listens on loopback, and prints
    a link that signs in once. Such links are for this machine only: on any other address the
    console refuses to start with them. See docs/console.md for a real deployment.

    \b
    Examples:
      earmark console
      earmark console link --name bo --role lead
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    if ctx.invoked_subcommand is not None:
        return
    check_packages()
    settings = load_settings()
    who = _name(name)
    setup_logging("INFO")
    listener = _listener(host, port)
    with listener:
        options = console_options(settings, host=host, port=listener.getsockname()[1])
        _run(settings, options, listener, name=who, roles=roles, opens=opens)


@command.command
@NAME_OPTION
@ROLE_OPTION
@click.option("--port", default=8070, show_default=True, help="Port of the running console.")
@click.option("--json", "as_json", is_flag=True, help="Print the link as a JSON line.")
def link(name: str | None, roles: tuple[str, ...], port: int, as_json: bool) -> None:
    """Make one more link, for a console that is running.

    The link works once, within ten minutes. Each --name is a person of its own: rules need the
    approval of a second one, and a call in double review a second pair of ears.

    \b
    Example:
      earmark console link --name bo --role lead
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    check_packages()
    settings = load_settings()
    who = _name(name)
    setup_logging("ERROR")
    from storage.database import open_database

    options = console_options(settings, host="127.0.0.1", port=port)
    if not options.links:
        raise BadInputError("this console signs in by OIDC; links are for a console without it")
    database = open_database(settings.resolved_database_url)
    try:
        address = _make_link(database, options, name=who, roles=roles)
    finally:
        database.close()
    click.echo(json.dumps({"type": "link", "url": address}) if as_json else address)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # now: the link that is printed soon must find somebody
    except OSError as exc:
        listener.close()
        raise ServiceMissingError(
            f"--host, --port: {host}:{port} cannot be had: {exc.strerror}"
        ) from None
    return listener


def _run(
    settings: Settings,
    options: ConsoleOptions,
    listener: socket.socket,
    *,
    name: str,
    roles: tuple[str, ...],
    opens: bool,
) -> None:
    import uvicorn

    from console.app import create_app
    from storage.database import open_database

    screen = Screen(stderr=True)
    database = open_database(settings.resolved_database_url)
    try:
        with open_console(settings, options, database) as console:
            if console.anchoring is None:
                screen.print(
                    "The audit trail is not anchored: make a key with `earmark trail key --out "
                    "FILE` and set EARMARK_TRAIL_KEY_FILE.",
                    style="yellow",
                )
            app = create_app(console)
            screen.print(f"Console: {options.url}/")
            if options.links:
                address = _make_link(database, options, name=name, roles=roles)
                screen.print("Sign in, once and within ten minutes:")
                # Not through rich, which would break the line.
                click.echo(address)
                if opens:
                    threading.Timer(1.0, webbrowser.open, [address]).start()
            screen.print("Ctrl-C ends.")
            server = uvicorn.Server(
                # No access log: addresses of calls, and links, do not belong in one.
                uvicorn.Config(
                    app, log_config=None, access_log=False, server_header=False,
                    timeout_graceful_shutdown=5,
                )
            )  # fmt: skip
            server.run(sockets=[listener])
    finally:
        database.close()


def _name(given: str | None) -> str:
    name = (given or getpass.getuser()).strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise BadInputError("--name: must be a name of 1 to 80 printable characters")
    return name


def _make_link(
    database: Database, options: ConsoleOptions, *, name: str, roles: tuple[str, ...]
) -> str:
    from console.state import utc_now
    from storage import console_sessions

    with database.begin() as connection:
        token = console_sessions.make_link(
            connection,
            person_id=f"link:{name}",
            name=name,
            roles=roles or CONSOLE_ROLES,
            now=utc_now(),
        )
    return f"{options.url}/sign-in/link?token={token}"
