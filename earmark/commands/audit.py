"""`earmark audit`: recordings in, the authoritative report out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.audit_output import AuditOutput
from earmark.audit_screen import AuditScreen
from earmark.cli import exit_code_of
from earmark.errors import BadInputError
from earmark.logs import setup_logging
from earmark.moments import Day, Moment
from earmark.settings import Settings, load_settings
from earmark.wiring import RULES_OPTION, SPEAKER_OPTION, open_store, rule_paths

if TYPE_CHECKING:
    from offline.audit import Auditor
    from offline.call import Call
    from storage.database import Database
    from storage.objects import ObjectStore


@click.command
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--call", "call_name", metavar="ID", help="Session id of a call, or name of a room.")
@click.option("--date", "day", type=Day(), help="All calls that began on this day, UTC.")
@click.option("--since", type=Moment(), help="All calls since a time (UTC), or 90m, 24h, 7d ago.")
@RULES_OPTION
@SPEAKER_OPTION
@click.option(
    "--transcriber",
    metavar="MODEL",
    default="faster-whisper-base",
    show_default=True,
    help="Model that writes the transcript; `earmark models list` shows them.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=min(4, os.cpu_count() or 1),
    show_default=True,
    help="Processor threads of the transcriber.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
@click.option("--show-text", is_flag=True, help="With --json: print what was said unmasked.")
def command(
    files: tuple[Path, ...],
    call_name: str | None,
    day: date | None,
    since: datetime | None,
    rules: tuple[Path, ...],
    speakers: tuple[str, ...],
    transcriber: str,
    threads: int,
    as_json: bool,
    show_text: bool,
) -> None:
    """Read recordings and write the authoritative report.

    Give audio files that begin at the same moment, one a speaker or one with a channel a speaker,
    or say which calls to take from the object store. Each call gets one report, a page and its
    JSON, under reports/ in the object store; what live raised is compared with what the audit
    finds. To repeat an audit does nothing twice.

    Exit code 0: everything was checked, and nothing found. 1: findings, or something could not be
    checked. 2: bad input. 3: a service or a model is missing.

    \b
    Examples:
      earmark audit agent.ogg customer.ogg
      earmark audit stereo.wav --speaker agent --speaker customer
      earmark audit --call RM_yhXwkTxcnNPK
      earmark audit --date 2026-03-01
      earmark audit --since 24h --json
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    ways = [bool(files), call_name is not None, day is not None, since is not None]
    if sum(ways) != 1:
        what = "nothing" if not any(ways) else "more than one of these"
        raise BadInputError(
            f"{what} to audit was given; give either FILES, --call, --date or --since"
        )
    if speakers and not files:
        raise BadInputError("--speaker names the speakers of files; calls know their own")
    if show_text and not as_json:
        raise BadInputError("--show-text belongs to --json; add it")
    settings = load_settings()
    setup_logging("ERROR")  # what is only warned of stands in the report
    screen = AuditScreen()
    with _opened(settings, rules, transcriber, threads, screen) as (auditor, database, objects):
        calls = _find(files, call_name, day, since, speakers, database, objects, screen)
        shown = AuditOutput(objects, as_json=as_json, show_text=show_text)
        code = _audit_all(auditor, calls, screen, shown)
        _forget_transcripts(settings.keep_transcripts_days, database, objects, screen)
    raise SystemExit(code)


@contextmanager
def _opened(
    settings: Settings,
    rules: tuple[Path, ...],
    transcriber: str,
    threads: int,
    screen: AuditScreen,
) -> Iterator[tuple[Auditor, Database, ObjectStore]]:
    """The audit's parts, wired; closed at the end."""
    # The speech libraries take seconds to import: not before the arguments are known to be good.
    from offline.audit import Auditor
    from offline.engines import LocalEngines, transcribers
    from rules.loader import load_rulebook
    from speech.embedding import embedder_for
    from storage.database import open_database

    if transcriber not in transcribers():
        raise BadInputError(
            f"--transcriber: {transcriber!r} is none of {', '.join(transcribers())}"
        )
    rulebook = load_rulebook(rule_paths(rules, settings))
    objects = open_store(settings)
    objects.check()  # before minutes of work, not after
    database = open_database(settings.resolved_database_url)
    engines = LocalEngines(
        transcriber=transcriber,
        models_dir=settings.models_dir,
        cpu_threads=threads,
        announce=screen.busy,
    )
    try:
        yield (
            Auditor(
                database=database,
                objects=objects,
                rulebook=rulebook,
                engines=engines,
                embedder=embedder_for(rulebook, settings.models_dir),
                keep_transcripts_days=settings.keep_transcripts_days,
            ),
            database,
            objects,
        )
    finally:
        engines.close()
        database.close()


def _find(
    files: tuple[Path, ...],
    call_name: str | None,
    day: date | None,
    since: datetime | None,
    speakers: tuple[str, ...],
    database: Database,
    objects: ObjectStore,
    screen: AuditScreen,
) -> Sequence[Call]:
    from offline.files import find_files
    from offline.find import Finder

    with screen.busy("Looking for recordings"):
        if files:
            return (find_files(files, speakers),)
        finder = Finder(database, objects)
        if call_name is not None:
            found = finder.by_name(call_name)
        elif day is not None:
            found = finder.by_day(day)
        else:
            assert since is not None  # noqa: S101 - narrows for the type checker
            found = finder.since(since)
    for key in found.unreadable:
        screen.warn(f"{key} is no manifest of a recording, and it is unknown of which call")
        screen.n_unreadable += 1
    return found.calls


def _audit_all(
    auditor: Auditor, calls: Sequence[Call], screen: AuditScreen, output: AuditOutput
) -> int:
    """Audit one call after the other; of several, one that fails does not stop the others."""
    from offline.report import Headline
    from speech.errors import SpeechError

    failed: list[int] = []
    all_clean = True
    for number, call in enumerate(calls, start=1):
        label = f"Call {number} of {len(calls)}" if len(calls) > 1 else "Audit"
        try:
            with screen.bar(label) as on_progress:
                outcome = auditor.audit(call, on_progress)
        except Exception as exc:
            code = exit_code_of(exc)
            # Models that are missing are missing for every call.
            if code is None or len(calls) == 1 or isinstance(exc, SpeechError):
                raise
            failed.append(code)
            screen.warn(f"{call.room_sid} could not be audited: {exc}")
            continue
        all_clean &= outcome.report.headline is Headline.CLEAN
        output.show(outcome)
    if len(calls) > 1:
        n_done = len(calls) - len(failed)
        screen.say(f"{n_done} of {len(calls)} calls audited, {len(failed)} failed.")
    if failed and len(failed) == len(calls):
        return max(failed)
    return 0 if all_clean and not failed and not screen.n_unreadable else 1


def _forget_transcripts(
    days: int | None, database: Database, objects: ObjectStore, screen: AuditScreen
) -> None:
    """Remove the transcripts whose time is over.

    Where none are to be kept, those of earlier days stay: a shell without the setting must not
    empty the store of those who have it.
    """
    from storage.holds import held_calls
    from storage.transcripts import forget_transcripts

    if days is not None:
        with database.begin(read_only=True) as connection:
            held = held_calls(connection).room_sids
        n_old = forget_transcripts(
            objects, before=datetime.now(UTC) - timedelta(days=days), held=held
        )
        if n_old:
            what = "1 kept transcript was" if n_old == 1 else f"{n_old} kept transcripts were"
            screen.say(f"{what} older than {days} days and {what.split()[-1]} removed.")
