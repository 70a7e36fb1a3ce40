"""`earmark rules published`: the rules in the database, version by version."""

from __future__ import annotations

import difflib
import getpass
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from earmark.errors import BadInputError
from earmark.settings import load_settings
from earmark.wiring import embedder_for
from rules.book_check import BookCheck, check_book
from rules.book_files import BookFiles, read_book
from rules.cases import TESTED
from rules.errors import RuleLoadError
from rules.loader import load_book
from rules.similarity import Embedder
from speech.errors import ModelMissingError
from storage import trail
from storage.database import Connection, Database, open_database
from storage.published_rules import (
    RuleVersion,
    files_of,
    get_version,
    import_first,
    in_force,
    latest,
    versions,
)
from storage.rule_proposals import propose
from storage.trail import TrailAction, TrailEvent

_MAX_LISTED = 1000
_NUMBER = click.argument("number", required=False, type=click.IntRange(min=1))
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """See the published rules, and bring files in and out.

    Published rules lie in the database, in numbered versions, of which the last one is in force.
    They are changed in the console: one person proposes, another one approves. With the setting
    `EARMARK_RULES=published`, observers and audits use them; docs/published-rules.md tells more.

    \b
    Examples:
      earmark rules published import my-rules/ --by olga
      earmark rules published list
      earmark rules published diff 3 4
    """  # noqa: D301


@command.command("list")
@_JSON
def list_versions(as_json: bool) -> None:
    """List the versions, the newest first; it is the one in force.

    \b
    Example:
      earmark rules published list --json
    """  # noqa: D301
    with _database() as database, database.begin(read_only=True) as connection:
        found = versions(connection, limit=_MAX_LISTED)
    if not found and not as_json:
        click.echo("No rules are published yet; `earmark rules published import` takes some over.")
    for version in found:
        if as_json:
            _emit(_record(version))
            continue
        back = f", back to {version.rollback_of}" if version.rollback_of else ""
        click.echo(
            f"{version.number:>4}  {version.created_at:%Y-%m-%d %H:%M}  by {version.author}, "
            f"approved by {version.approved_by}{back}: {_first_line(version.note)}"
        )


@command.command()
@_NUMBER
@click.option("--file", "name", metavar="NAME", help="Print this file of it instead.")
@_JSON
def show(number: int | None, name: str | None, as_json: bool) -> None:
    """Show a version: who made it and why, its files and its rules.

    Without NUMBER, the version in force.

    \b
    Example:
      earmark rules published show 4 --file pii/card.yaml
    """  # noqa: D301
    version, files = _read(number)
    if name is not None:
        if name not in files:
            raise BadInputError(f"version {version.number} has no file {name}; `show` lists them")
        sys.stdout.buffer.write(files[name])
        return
    book = load_book(files)
    if as_json:
        _emit(_record(version))
        for rule in book.rules:
            _emit({"type": "rule", "rule": rule.id, "version": rule.version,
                   "status": rule.status.value, "file": rule.location.path.as_posix()})  # fmt: skip
        return
    click.echo(f"version {version.number} of {version.created_at:%Y-%m-%d %H:%M} UTC")
    click.echo(f"by {version.author}, approved by {version.approved_by}: {version.note}")
    click.echo(f"fingerprint {version.fingerprint}")
    for file in files:
        click.echo(f"  {file}")
    for rule in book.rules:
        click.echo(f"  {rule.id} v{rule.version} ({rule.status})")


@command.command()
@click.argument("old", type=click.IntRange(min=1))
@click.argument("new", required=False, type=click.IntRange(min=1))
def diff(old: int, new: int | None) -> None:
    """Show how two versions differ; without NEW, OLD against the one in force.

    Exit code 0: they are the same. 1: they differ.

    \b
    Example:
      earmark rules published diff 3 4
    """  # noqa: D301
    before, old_files = _read(old)
    after, new_files = _read(new)
    lines = list(_diff(before.number, old_files, after.number, new_files))
    for line in lines:
        click.echo(line)
    sys.exit(1 if lines else 0)


@command.command("import")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--by", metavar="NAME", help="Who takes them over. Default: your login name.")
@click.option("--note", default="", help="What it is for.")
@_JSON
def import_rules(paths: tuple[Path, ...], by: str | None, note: str, as_json: bool) -> None:
    """Take rule files over: as the first version, or else as a proposal.

    PATHS are rule files or folders with their cases. Without them, those of the setting `rules` are
    meant, and where that is unset or `published`, the built-in book. What is imported is the whole
    book: packs that are not among the files are no longer in force.

    The first version is in force at once. Later ones are proposals, which somebody else approves in
    the console.

    Exit code 0: taken over. 1: proposed, and a case fails, so it cannot be approved as it is.

    \b
    Example:
      earmark rules published import my-rules/ --by olga --note "from our repository"
    """  # noqa: D301
    settings = load_settings()
    given = paths or (settings.rules if isinstance(settings.rules, tuple) else ())
    files = read_book(given)
    who = by or getpass.getuser()
    where = ", ".join(map(str, given)) or "the built-in book"
    now = datetime.now(UTC)
    with _database() as database:
        with database.begin(read_only=True) as connection:
            base = latest(connection)
            before = None if base is None else files_of(connection, base.number)
        check = _checked(files, before)
        if base is None:
            with database.begin() as connection:
                version = import_first(
                    connection, files, check=check, by=who, note=note or f"imported: {where}",
                    now=now,
                )  # fmt: skip
                _note(connection, TrailAction.RULE_APPROVE, who, f"version {version.number}")
            _say(as_json, f"Version {version.number} is in force.", **_record(version))
            return
        with database.begin() as connection:
            proposal = propose(
                connection, files, base_version=base.number, check=check, author=who,
                note=note or f"imported: {where}", now=now,
            )  # fmt: skip
            _note(connection, TrailAction.RULE_PROPOSE, who, proposal.id)
    _say(
        as_json,
        f"Proposed against version {base.number}; somebody else approves it in the console.",
        type="proposal",
        proposal=proposal.id,
        base_version=base.number,
        files=[change.name for change in proposal.changes],
        proven=check.is_proven,
    )
    if not check.is_proven:
        click.echo(f"{len(check.failed)} cases fail; `earmark rules test` shows them.", err=True)
        sys.exit(1)


@command.command()
@_NUMBER
@click.option(
    "--out",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; it must be new or empty.",
)
def export(number: int | None, out: Path) -> None:
    """Write the files of a version into a folder; without NUMBER, of the one in force.

    \b
    Example:
      earmark rules published export 4 --out rules-v4/
    """  # noqa: D301
    version, files = _read(number)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise BadInputError(f"{out}: is not empty; give a new folder")
        for name, raw in files.items():
            path = out / name  # names were checked when they came in
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
    except OSError as exc:
        raise BadInputError(f"{out}: {exc.strerror}; give a folder to write to") from None
    click.echo(f"{len(files)} files of version {version.number} are in {out}.")


def _note(connection: Connection, action: TrailAction, who: str, subject: str) -> None:
    event = TrailEvent(actor=who, action=action, subject=subject, detail={"what": "import"})
    trail.append(connection, event)


@contextmanager
def _database() -> Iterator[Database]:
    database = open_database(load_settings().resolved_database_url)
    try:
        yield database
    finally:
        database.close()


def _read(number: int | None) -> tuple[RuleVersion, BookFiles]:
    with _database() as database, database.begin(read_only=True) as connection:
        version = in_force(connection) if number is None else get_version(connection, number)
        return version, files_of(connection, version.number)


def _checked(files: BookFiles, before: BookFiles | None) -> BookCheck:
    embedder: Embedder | None = None
    try:
        embedder = embedder_for(load_book(files), statuses=TESTED)
    except RuleLoadError:
        pass  # told below, as what the check found
    except ModelMissingError as exc:
        click.echo(f"Cases are not run: {exc}.", err=True)
    check = check_book(files, before=before, embedder=embedder)
    if not check.loads:
        told = "\n".join(f"{r.file}:{r.line}:{r.column}: {r.message}" for r in check.remarks)
        raise BadInputError(told)
    return check


def _diff(old: int, old_files: BookFiles, new: int, new_files: BookFiles) -> Iterator[str]:
    for name in sorted({*old_files, *new_files}):
        before, after = (files.get(name, b"") for files in (old_files, new_files))
        if before != after or (name in old_files) != (name in new_files):
            yield from difflib.unified_diff(
                before.decode("utf-8-sig").splitlines(),
                after.decode("utf-8-sig").splitlines(),
                f"{old}/{name}" if name in old_files else "/dev/null",
                f"{new}/{name}" if name in new_files else "/dev/null",
                lineterm="",
            )


def _record(version: RuleVersion) -> dict[str, Any]:
    return {
        "type": "version",
        "version": version.number,
        "fingerprint": version.fingerprint,
        "author": version.author,
        "approved_by": version.approved_by,
        "created_at": version.created_at.isoformat(),
        "supersedes": version.supersedes,
        "rollback_of": version.rollback_of,
        "note": version.note,
    }


def _first_line(note: str) -> str:
    return note.splitlines()[0] if note else ""


def _say(as_json: bool, sentence: str, **record: Any) -> None:
    if as_json:
        _emit(record)
    else:
        click.echo(sentence)


def _emit(record: Mapping[str, Any]) -> None:
    click.echo(json.dumps(record, ensure_ascii=False))
