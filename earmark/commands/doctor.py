"""`earmark doctor`: what is installed and reachable, and what each edge would use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from earmark.edges import examine, versions
from earmark.errors import BadInputError
from earmark.look import Look, State
from earmark.settings import SETTINGS_FILE, Settings, load_settings
from earmark.shown import shown_value, source_of, variable_of

_PIPED_WIDTH_CHARS = 100

_STYLES: Mapping[State, str] = MappingProxyType(
    {
        State.OK: "green",
        State.DEFAULT: "cyan",
        State.MISSING: "bold red",
        State.BROKEN: "bold red",
    }
)


@click.command
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@click.option(
    "--settings", "show_settings", is_flag=True, help="List every setting and its value instead."
)
def command(as_json: bool, show_settings: bool) -> None:
    """Say what is installed and reachable, and what each edge would use.

    Looks at the LiveKit server, the speech models, the database, the object store, the rules and
    the rest, and says how to mend what is amiss. Nothing is made or changed, no model is fetched,
    and neither secrets nor personal data are shown.

    States: `ok` is set up and works; `default` is not set up, so the embedded way is used;
    `missing` is needed and not there; `broken` is there and cannot be used. Exit code 3 says that
    something is missing or broken, 0 that `earmark replay` and `earmark audit` can work.

    \b
    Examples:
      earmark doctor
      earmark doctor --settings
      earmark doctor --json | jq 'select(.state == "broken")'
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    if show_settings:
        _show_settings(as_json)
        return
    settings = load_settings()
    with Console(stderr=True).status("Looking at every edge"):
        looks = examine(settings)
    is_fine = all(look.is_fine for look in looks.values())
    if as_json:
        for edge, look in looks.items():
            _print_json(type="edge", edge=edge, **asdict(look))
        for name, number in versions().items():
            _print_json(type="version", package=name, version=number)
        _print_json(type="summary", works=is_fine)
    else:
        _show_looks(looks)
    if not is_fine:
        raise SystemExit(3)


def _show_settings(as_json: bool) -> None:
    settings: Settings | None = None
    error: BadInputError | None = None
    try:
        settings = load_settings()
    except BadInputError as exc:
        error = exc  # the list is what helps to mend it
    table = Table("setting", "value", "from", "what it is", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True  # names are there to be copied
    table.columns[1].overflow = "fold"
    for name, field in Settings.model_fields.items():
        value = shown_value(name, getattr(settings, name)) if settings else None
        source = source_of(name, settings) if settings else None
        about = field.description or ""
        if as_json:
            _print_json(
                type="setting", name=name, variable=variable_of(name), value=value, source=source,
                description=about,
            )  # fmt: skip
        table.add_row(
            Text(variable_of(name), style="bold"), Text(value or "?"), Text(source or "?"),
            Text(about, style="dim"),
        )  # fmt: skip
    if not as_json:
        console = _console()
        console.print(table)
        console.print(
            f"Set a variable, or the name in small letters without EARMARK_ in {SETTINGS_FILE}; "
            "variables win.",
            highlight=False,
        )
    if error is not None:
        raise error


def _show_looks(looks: Mapping[str, Look]) -> None:
    table = Table("edge", "state", "what would be used", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    table.columns[2].overflow = "fold"
    for edge, look in looks.items():
        cell = Text(look.uses)
        if look.mend:
            cell.append(f"\n→ {look.mend}", style="yellow" if look.is_fine else "bold")
        table.add_row(Text(edge), Text(look.state, style=_STYLES[look.state]), cell)
    console = _console()
    console.print(table)
    numbers = ", ".join(f"{name} {number}" for name, number in versions().items())
    console.print(Text(numbers, style="dim"))
    failed = [edge for edge, look in looks.items() if not look.is_fine]
    if failed:
        console.print(Text(f"Not in order: {', '.join(failed)}.", style="bold red"))
    else:
        console.print("Everything that is needed is there.")


def _console() -> Console:
    console = Console()
    # A pipe has no width; rich would take 80 columns, too few for paths.
    return console if console.is_terminal else Console(width=_PIPED_WIDTH_CHARS)


def _print_json(**values: object) -> None:
    click.echo(json.dumps(values))
