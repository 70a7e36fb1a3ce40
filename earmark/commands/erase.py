"""`earmark erase`: a person's data, wherever it is."""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.errors import BadInputError
from earmark.keeping_screen import KeepingScreen, opened
from earmark.logs import setup_logging
from earmark.settings import Settings, load_settings

if TYPE_CHECKING:
    from storage.erasure_plan import Plan
    from storage.erasure_receipts import Receipt

KEY_FILE = "erasure.key"


@click.command
@click.argument("identity")
@click.option(
    "--also",
    multiple=True,
    metavar="NAME",
    help="Something else they are known by, such as a telephone number; may be repeated.",
)
@click.option(
    "--mixed",
    type=click.Choice(["redact", "delete", "keep"]),
    help="What to do with recordings that hold other people, too: silence where the person "
    "speaks, delete them, or keep them as they are.",
)
@click.option("--reason", help="Why, for the receipt; without personal data.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option(
    "--bypass-governance",
    is_flag=True,
    help="Erase what is locked in governance mode, too; S3 asks for the right to.",
)
@click.option("--receipts", is_flag=True, help="Show the receipts of this person instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def command(
    identity: str,
    also: tuple[str, ...],
    mixed: str | None,
    reason: str | None,
    dry_run: bool,
    bypass_governance: bool,
    receipts: bool,
    as_json: bool,
) -> None:
    """Erase a person: objects with every version, rows, and rows of Parquet files.

    IDENTITY is theirs in LiveKit. Their recordings, redacted copies and kept transcripts go;
    reports are written anew without what they said; presence and reviewers' decisions stay under
    a pseudonym. Calls under legal hold are left, and so is what the store has locked. An order
    that was killed is given again; to repeat it does nothing twice. A receipt stays that tells
    nobody who it was. Mind that a shell keeps what was typed.

    Exit code 0: nothing of them is left. 1: something is left, and it is told what. 2: bad input.
    3: a service is missing.

    \b
    Examples:
      earmark erase sip_4915112345678 --dry-run
      earmark erase sip_4915112345678 --also +4915112345678 --mixed redact --reason "ticket 81"
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    from storage.erasure_person import Person

    person = Person(identity=identity, also=also)
    if receipts:
        _show_receipts(settings, person.hashed(_key(settings, make=False)), as_json=as_json)
        return
    from offline.erased_audio import silenced
    from offline.erased_report import StoredReports
    from storage.erasure import Eraser
    from storage.erasure_plan import Mixed

    screen = KeepingScreen()
    with (
        opened(settings) as (database, store),
        screen.busy("Looking" if dry_run else "Erasing") as counter,
    ):
        eraser = Eraser(
            database, store, person,
            key=b"" if dry_run else _key(settings),
            reports=StoredReports(),
            silence=silenced,
            mixed=Mixed(mixed) if mixed else None,
            bypass_governance=bypass_governance,
            on_object=lambda what, key: counter.add(),
        )  # fmt: skip
        receipt: Receipt | None = None
        if dry_run:
            plan = eraser.plan()
        else:
            receipt, plan = eraser.erase(reason=reason)
    if as_json:
        _print_json(plan, receipt)
    else:
        _print(plan, receipt)
    raise SystemExit(1 if plan.is_something_left else 0)


def _key(settings: Settings, *, make: bool = True) -> bytes:
    """What hashes identities: the setting, else a file in the data folder."""
    if settings.erasure_key is not None:
        return b64decode(settings.erasure_key.get_secret_value().removeprefix("whsec_"))
    path: Path = settings.data_dir / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not make:
            raise BadInputError(f"no erasure was made with this data folder: no {path}") from None
    except OSError as exc:
        raise BadInputError(f"{path}: cannot be read: {exc.strerror}") from None
    key = secrets.token_bytes(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process was first
        return path.read_bytes()
    except OSError as exc:
        raise BadInputError(f"{path}: cannot be written: {exc.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(key)
    return key


def _print(plan: Plan, receipt: Receipt | None) -> None:
    would = "would be " if receipt is None else ""
    n_free = len(plan.calls - plan.held_calls)
    click.echo(
        f"{n_free} calls: {len(plan.erased)} objects {would}erased, "
        f"{len(set(plan.rewritten) - set(plan.erased))} {would}written anew"
        + (f", {sum(plan.rows.values())} rows removed or changed." if receipt else ".")
    )
    for room_sid in sorted(plan.held_calls):
        click.echo(f"{room_sid} is under legal hold: nothing of it is erased.")
    for key, why in sorted(plan.left.items()):
        click.echo(f"left: {key}: {why}")
    for key in plan.kept:
        click.echo(f"kept as asked, with the person's voice in it: {key}")
    if plan.n_trail_entries:
        click.echo(f"left: {plan.n_trail_entries} entries of the audit trail that name them")
    if receipt is None and plan.mixed and not plan.kept:
        for key in plan.mixed:
            click.echo(f"holds other people, too: {key}")
    for room_sid in sorted(plan.audit_again):
        click.echo(f"its report went as a whole; audit it again: earmark audit --call {room_sid}")
    if receipt is not None:
        click.echo(f"Receipt {receipt.erasure_id}: {receipt.status}.")


def _print_json(plan: Plan, receipt: Receipt | None) -> None:
    for key, reason in sorted(plan.erased.items()):
        click.echo(json.dumps({"type": "erased", "key": key, "reason": reason}))
    for key, what in sorted(plan.rewritten.items()):
        click.echo(json.dumps({"type": "rewritten", "key": key, "what": what}))
    for key, why in sorted(plan.left.items()):
        click.echo(json.dumps({"type": "left", "key": key, "why": why}))
    summary: dict[str, object] = {
        "type": "plan" if receipt is None else "receipt",
        "calls": sorted(plan.calls - plan.held_calls),
        "held_calls": sorted(plan.held_calls),
        "mixed": plan.mixed,
        "mixed_kept": plan.kept,
        "audit_again": sorted(plan.audit_again),
        "trail_entries": plan.n_trail_entries,
        "rows": plan.rows,
    }
    if receipt is not None:
        summary |= {
            "erasure_id": receipt.erasure_id,
            "status": receipt.status.value,
            "counts": receipt.counts,
        }
    click.echo(json.dumps(summary))


def _show_receipts(settings: Settings, subject_hash: str, *, as_json: bool) -> None:
    from storage.database import open_database
    from storage.erasure_receipts import receipts_of

    database = open_database(settings.resolved_database_url)
    try:
        with database.begin(read_only=True) as connection:
            found = receipts_of(connection, subject_hash)
    finally:
        database.close()
    for receipt in found:
        at = receipt.finished_at or receipt.started_at
        if as_json:
            line = {"type": "receipt", "erasure_id": receipt.erasure_id, "status": receipt.status}
            click.echo(json.dumps(line | {"at": at.isoformat(), "counts": receipt.counts}))
        else:
            click.echo(f"{receipt.erasure_id}  {at:%Y-%m-%d %H:%M}  {receipt.status}")
    if not found and not as_json:
        click.echo("No erasure of this person is on record.")
