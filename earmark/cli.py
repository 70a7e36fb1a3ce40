"""The `earmark` command: finds subcommands, turns errors into one sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType

import click

# Each subcommand is a module of `earmark.commands` with a `command` in it, imported only when it
# is asked for: `earmark --help` must not wait for speech models.
SUBCOMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "alerts": "See what became of alerts, send dead ones again, try a target.",
        "analyst": "Run the worker that analyses calls from their records.",
        "bundle": "Pack the evidence of a call, signed, and verify such a file.",
        "audit": "Read recordings and write the authoritative report.",
        "console": "Start the web application for those who review calls.",
        "db": "Bring the database up to date.",
        "demo": "Show the whole way of the data on a real LiveKit room.",
        "dispatch": "Send the observer into a LiveKit room.",
        "doctor": "Say what is installed and reachable, and what each edge would use.",
        "erase": "Erase a person's data.",
        "hold": "Put calls under legal hold, and lift it.",
        "models": "List and fetch the speech models.",
        "observe": "Run the worker that listens to LiveKit rooms.",
        "recordings": "See that what should be recorded is there.",
        "replay": "Run audio files through the live path.",
        "report": "Sum up the audits of a day, and export their tables.",
        "retention": "See and delete what is older than its time.",
        "rules": "Check, test and try rules.",
        "watch": "Keep the rooms of a LiveKit server observed.",
        "webhooks": "Receive LiveKit's webhooks.",
    }
)


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        module = importlib.import_module(f"earmark.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUBCOMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="earmark")
def cli() -> None:
    """Listen to LiveKit calls for compliance.

    Live, a hidden observer flags rule hits while people speak. Afterwards, an audit reads the
    recordings and writes the authoritative report.

    Start with `earmark replay FILE`, which needs no server, or `earmark doctor`.
    """


def exit_code_of(error: Exception) -> int | None:
    """The exit code that stands for an error raised on purpose, None for a defect of ours."""
    code = getattr(error, "exit_code", None)
    return code if isinstance(code, int) else None


def main() -> None:
    """Entry point: 0 fine, 1 findings or failed cases, 2 bad input, 3 a service is missing."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("earmark: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as exc:
        exc.show()
        sys.exit(2)
    except BrokenPipeError:
        # The reader went away (`| head`): not our failure, but nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as exc:
        code = exit_code_of(exc)
        if code is None:
            raise
        click.echo(f"earmark: {exc}", err=True)
        sys.exit(code)
