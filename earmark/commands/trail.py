"""`earmark trail`: verify, anchor and read the audit trail."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.errors import BadInputError
from earmark.keeping_screen import who
from earmark.logs import setup_logging
from earmark.moments import Moment
from earmark.settings import load_settings
from earmark.trail_screen import entry_line, summed, verifying
from earmark.trail_wiring import trail_public_keys, trail_signing_key
from earmark.wiring import open_store

if TYPE_CHECKING:
    from storage.trail_reading import TrailFilter
    from storage.trail_stored_heads import Anchor

_EXPECTED = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--until", type=Moment(is_end=True), help="Only until then; a day is in it."),
        click.option("--since", type=Moment(), help="Only from then on, such as 24h or a day."),
        click.option("--call", help="Only of this call (RM_...)."),
        click.option("--action", help="Only this action, such as unmask_text."),
        click.option("--actor", help="Only of this person."),
    ):
        function = option(function)
    return function


@click.group
def command() -> None:
    """Verify, anchor and read the audit trail.

    The trail says who saw, heard and decided what at the console. Each entry holds the hash of the
    one before, and signed heads of that chain are stored outside the database. See docs/trail.md.
    """


@command.command
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Public key, PEM, that may have signed heads; may be repeated. Besides, the one of the "
    "settings counts.",
)
@click.option(
    "--expect",
    multiple=True,
    metavar="NUMBER:HASH",
    help="An entry and its hash that were noted elsewhere, as `anchor` prints them.",
)
@click.option("--no-heads", is_flag=True, help="Look at the database alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def verify(keys: tuple[Path, ...], expect: tuple[str, ...], no_heads: bool, as_json: bool) -> None:
    """See whether the trail is as it was written.

    Every entry is laid against its hash, against the one before, and against the signed heads in
    the object store. Entries that were edited, deleted, reordered, cut off at the end, or that fork
    are named by their numbers, and it is said which entries no head vouches for.

    Exit code 0: all is as written. 1: something is not. 2: bad input, such as a missing key. 3: the
    database or the store cannot be reached.

    \b
    Examples:
      earmark trail verify
      earmark trail verify --key trail-public.pem --json
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    from storage.database import open_database
    from storage.trail_stored_heads import has_heads
    from storage.trail_verify import verify as verify_trail

    expected = tuple(map(_expected, expect))
    known = () if no_heads else trail_public_keys(settings, keys)
    objects = None if no_heads else open_store(settings)
    if objects is not None:
        objects.check()
        if not known and has_heads(objects):
            raise BadInputError(
                f"{objects.describe()} has signed heads, and there is no key to check them with; "
                "give the public key with --key or EARMARK_TRAIL_KEY_FILE, or say --no-heads"
            )
    database = open_database(settings.resolved_database_url)
    try:
        with verifying() as on_progress:
            found = verify_trail(
                database, objects, known, expected=expected, on_progress=on_progress
            )
    finally:
        database.close()
    for fault in found.faults:
        if as_json:
            line = {"type": "fault", **asdict(fault), "sentence": fault.sentence}
            click.echo(json.dumps(line))
        else:
            click.echo(fault.sentence)
    if as_json:
        values = {key: value for key, value in asdict(found).items() if key != "faults"}
        values["anchored_at"] = found.anchored_at.isoformat() if found.anchored_at else None
        line = {"type": "verified", "is_intact": found.is_intact, **values,
                "n_faults": len(found.faults), "n_unanchored": found.n_unanchored}  # fmt: skip
        click.echo(json.dumps(line))
    else:
        if found.n_more_faults:
            click.echo(f"and {found.n_more_faults} faults more")
        for sentence in summed(found):
            click.echo(sentence)
    raise SystemExit(0 if found.is_intact else 1)


@command.command
@click.option("--json", "as_json", is_flag=True, help="Print the head as a JSON line.")
def anchor(as_json: bool) -> None:
    """Sign where the trail stands, and store that in the object store.

    `earmark console` does this by itself now and then. Where no entry was added since, nothing is
    done. Note the printed number and hash elsewhere, and `verify --expect` finds even a trail that
    was made anew together with its heads.

    \b
    Example:
      earmark trail anchor
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    from storage.database import open_database
    from storage.trail_anchor import anchor as anchor_trail
    from storage.trail_anchor import anchor_state

    key = trail_signing_key(settings)
    objects = open_store(settings)
    objects.check()
    database = open_database(settings.resolved_database_url)
    try:
        head = anchor_trail(database, objects, key, now=datetime.now(UTC))
        with database.begin(read_only=True) as connection:
            state = anchor_state(connection)
    finally:
        database.close()
    if as_json:
        line = {
            "type": "anchor",
            "is_new": head is not None,
            "seq": state.anchored_seq,
            "object_key": state.object_key,
            "hash": head.hash if head else None,
            "head_hash": head.head_hash if head else None,
            "key": head.key if head else None,
        }
        click.echo(json.dumps(line))
    elif head is not None:
        click.echo(f"{head.seq}:{head.hash}")
        click.echo(
            f"Stored as {head.object_key} in {objects.describe()}, "
            f"signed by the key {head.key[:16]}.",
            err=True,
        )
    elif state.anchored_seq:
        click.echo(f"Nothing new: anchored up to entry {state.anchored_seq} already.", err=True)
    else:
        click.echo("The trail has no entry yet.", err=True)


@command.command
@click.option("--out", type=click.Path(path_type=Path), help="Make a new private key here.")
def key(out: Path | None) -> None:
    """Make a key to sign heads with, or show the public one of the settings.

    The private key goes to the file, readable by its owner only; the public one, which whoever
    verifies needs, is printed. Keep the private one where who can write the database cannot read
    it, and the public one of each key that was ever used.

    \b
    Examples:
      earmark trail key --out trail-key.pem > trail-public.pem
      earmark trail key
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    from storage.signing_keys import fingerprint, make_key, public_pem

    if out is not None:
        public = make_key(out).public_key()
        told = f"the private key is in {out}"
    else:
        settings = load_settings()
        found = trail_public_keys(settings, ())[: -len(settings.trail_known_keys) or None]
        if not found:
            raise BadInputError(
                "there is no key yet; make one with `earmark trail key --out FILE` and set "
                "EARMARK_TRAIL_KEY_FILE"
            )
        public, told = found[0], "this is the public half of the key in force"
    click.echo(public_pem(public).decode(), nl=False)
    click.echo(f"fingerprint {fingerprint(public)}; {told}", err=True)


@command.command
@_filters
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True,
    help="How many, the newest.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
def show(limit: int, as_json: bool, **filters: Any) -> None:
    """Show the newest entries, the newest last.

    \b
    Examples:
      earmark trail show --call RM_yhXwkTxcnNPK
      earmark trail show --action unmask_text --since 2026-03-01
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    from storage.database import open_database
    from storage.trail_reading import as_exported, newest_entries

    wanted = _wanted(**filters)
    database = open_database(settings.resolved_database_url)
    try:
        with database.begin(read_only=True) as connection:
            found = newest_entries(connection, wanted, limit=limit)
    finally:
        database.close()
    for entry in reversed(found):
        if as_json:
            click.echo(json.dumps({"type": "entry", **as_exported(entry)}))
        else:
            click.echo(entry_line(entry))
    if not found and not as_json:
        click.echo("No entry.", err=True)


@command.command
@_filters
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True,
    help="What to write.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write. Default: standard output."
)
@click.option("--by", help="Who exports. Default: the user of this machine.")
def export(format_: str, out: Path | None, by: str | None, **filters: Any) -> None:
    """Write entries to a file, the oldest first. The export itself becomes an entry.

    \b
    Example:
      earmark trail export --since 2026-03-01 --until 2026-04-01 --format csv --out march.csv
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    settings = load_settings()
    setup_logging("ERROR")
    from storage import trail
    from storage.database import open_database
    from storage.trail import TrailAction, TrailEvent
    from storage.trail_reading import TrailFormat, export_lines

    wanted = _wanted(**filters)
    event = TrailEvent(
        actor=f"command:{who(by)}",
        action=TrailAction.EXPORT,
        subject="trail",
        detail={"format": format_, **{n: str(value) for n, value in filters.items() if value}},
    )
    database = open_database(settings.resolved_database_url)
    try:
        with _written(out) as file:
            with database.begin() as connection:
                trail.append(connection, event)
            with database.begin(read_only=True) as connection:
                for line in export_lines(connection, wanted, TrailFormat(format_)):
                    file.write(line)
    finally:
        database.close()


def _written(out: Path | None) -> Any:
    if out is None:
        return nullcontext(sys.stdout)
    try:
        return out.open("x", encoding="utf-8", newline="")
    except FileExistsError:
        raise BadInputError(f"{out}: is there already; give another name") from None
    except OSError as exc:
        raise BadInputError(f"{out}: cannot be made: {exc.strerror}") from None


def _wanted(
    *,
    actor: str | None,
    action: str | None,
    call: str | None,
    since: datetime | None,
    until: datetime | None,
) -> TrailFilter:
    from storage.trail import TrailAction
    from storage.trail_reading import TrailFilter

    if action is not None and action not in set(TrailAction):
        raise BadInputError(f"--action: {action!r} is none of {', '.join(TrailAction)}")
    return TrailFilter(
        actor=actor,
        action=action,
        room_sid=call,
        since=since,
        until=until,
    )


def _expected(text: str) -> Anchor:
    from storage.trail_stored_heads import Anchor

    found = _EXPECTED.fullmatch(text.strip())
    if found is None:
        raise BadInputError("--expect: must be NUMBER:HASH, as `earmark trail anchor` prints it")
    return Anchor(seq=int(found[1]), hash=found[2], at=None, about="as given with --expect")
