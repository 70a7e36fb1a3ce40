"""`earmark audit`: recordings in, the authoritative report out."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from earmark.audit_options import Chosen, Shard, ShardType, check
from earmark.audit_output import AuditOutput
from earmark.audit_screen import AuditScreen
from earmark.cli import exit_code_of
from earmark.errors import BadInputError
from earmark.keeping_settings import lock_rules
from earmark.logs import setup_logging
from earmark.moments import Day, Moment
from earmark.settings import Settings, load_settings
from earmark.wiring import (
    RULES_OPTION,
    SPEAKER_OPTION,
    open_store,
    redaction_options,
    rule_source,
    rules_in_force,
)

if TYPE_CHECKING:
    from earmark.audit_plan import AuditPlan
    from offline.call import Call
    from storage.objects import ObjectStore

_MAX_THREADS = 4  # more make one transcriber hardly faster


@click.command
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--call", "call_name", metavar="ID", help="Session id of a call, or name of a room.")
@click.option("--date", "day", type=Day(), help="All calls that began on this day, UTC.")
@click.option("--since", type=Moment(), help="All calls since a time (UTC), or 90m, 24h, 7d ago.")
@click.option(
    "--until", type=Moment(is_end=True), help="With --since: no call that began at it or later."
)
@click.option(
    "--nightly",
    is_flag=True,
    help="All calls of yesterday, UTC, and of days before it that were missed.",
)
@click.option(
    "--catch-up",
    type=click.IntRange(0, 60),
    default=7,
    show_default=True,
    help="With --nightly: so many missed days at most.",
)
@RULES_OPTION
@SPEAKER_OPTION
@click.option(
    "--transcriber",
    metavar="MODEL",
    default="faster-whisper-base",
    show_default=True,
    help="What writes the transcript: faster-whisper-base, faster-whisper-tiny.en, "
    "openai-whisper-base, openai-whisper-tiny.en, or a path of your own weights (a folder of "
    "faster-whisper's or a file of openai-whisper's).",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the transcriber runs; auto takes a GPU where there is one.",
)
@click.option(
    "--diarizer",
    metavar="NAME",
    help="What tells the voices of mixed recordings apart: default, none, or pyannote: and a "
    "folder or a name on the hub. Default: the setting `diarizer`.",
)
@click.option("--mixed", is_flag=True, help="Each channel of the FILES may hold several people.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    help="Processor threads of each transcriber. Default: the cores by the workers, at most 4.",
)
@click.option(
    "--engine",
    type=click.Choice(["pool", "ray"]),
    default="pool",
    show_default=True,
    help="Who audits many calls: processes of this machine, or a Ray cluster.",
)
@click.option("--address", help="Of the Ray cluster: HOST:PORT, `auto`, or `local` to start one.")
@click.option(
    "--workers",
    type=click.IntRange(1, 512),
    help="Calls that are audited at once. Default: one a core, at most 8; with Ray, what fits.",
)
@click.option(
    "--shard",
    type=ShardType(),
    help="Only this share of the calls, such as 0/4; or 4, where Kubernetes says which of 4.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="A call that failed so often is left alone. One that kills its worker is so at once.",
)
@click.option("--retry-poisoned", is_flag=True, help="Take up calls again that are left alone.")
@click.option(
    "--replace",
    is_flag=True,
    help="Make a new report even where recordings were deleted on purpose since the last one.",
)
@click.option(
    "--findings-ok",
    is_flag=True,
    help="Exit code 0 where calls have findings; 1 is left for what was not audited.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, and nothing else there.")
@click.option("--show-text", is_flag=True, help="With --json: print what was said unmasked.")
def command(rules: tuple[Path, ...], as_json: bool, show_text: bool, **options: object) -> None:
    """Read recordings and write the authoritative report.

    Give audio files that begin at the same moment, one a speaker or one with a channel a speaker,
    or say which calls to take from the object store. In one file with one channel, voices are told
    apart; give it a --speaker if there is but one. Each call gets one report, a page and its
    JSON, under reports/ in the object store; what live raised is compared with what the audit
    finds. To repeat an audit does nothing twice, and several runs at the same time share the work.

    Exit code 0: everything was checked, and nothing found. 1: findings, or something could not be
    checked. 2: bad input. 3: a service or a model is missing; calls that lacked a model have a
    report that says so, and are audited anew once it is there.

    \b
    Examples:
      earmark audit agent.ogg customer.ogg
      earmark audit stereo.wav --speaker agent --speaker customer
      earmark audit meeting.wav --diarizer pyannote:/models/community-1
      earmark audit --call RM_yhXwkTxcnNPK
      earmark audit --date 2026-03-01
      earmark audit --since 24h --json
      earmark audit --nightly --findings-ok
      earmark audit --nightly --engine ray --address auto
    """  # noqa: D301 - click's mark for a paragraph that stays as it is
    chosen = Chosen(**options)  # type: ignore[arg-type]
    check(chosen)
    if show_text and not as_json:
        raise BadInputError("--show-text belongs to --json; add it")
    settings = load_settings()
    setup_logging("ERROR")  # what is only warned of stands in the report
    signal.signal(signal.SIGTERM, _stop)
    screen = AuditScreen()
    plan = _plan(chosen, settings, rules)
    objects = open_store(settings)
    output = AuditOutput(objects, as_json=as_json, show_text=show_text)
    if chosen.is_of_many:
        code = _audit_many(chosen, plan, objects, screen, output)
    else:
        code = _audit_named(chosen, plan, screen, output)
    held = _held_calls(plan)
    _forget_transcripts(settings.keep_transcripts_days, held, objects, screen)
    _forget_stages(settings.keep_stages_days, held, objects)
    raise SystemExit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _plan(chosen: Chosen, settings: Settings, rules: tuple[Path, ...]) -> AuditPlan:
    from earmark.audit_plan import AuditPlan, LocalEngineSource
    from earmark.cores import available_cores
    from offline.diarization.choice import diarizer_or_lack
    from speech.transcribers import transcriber

    # Names must mean something. Whether it can be had here is seen when there is something to hear.
    transcriber(chosen.transcriber)
    n_threads = chosen.threads or min(_MAX_THREADS, available_cores())
    diarizer = chosen.diarizer or settings.diarizer
    diarizer_or_lack(diarizer, models_dir=settings.models_dir)
    # Of published rules, the version that is in force now: a night has one from beginning to end.
    loaded = rules_in_force(rules, settings)
    return AuditPlan(
        database_url=settings.resolved_database_url,
        objects_url=settings.resolved_objects_url,
        s3_endpoint_url=settings.s3_endpoint_url,
        rules=rule_source(rules, settings).paths,
        rulebook_fingerprint=loaded.rulebook.fingerprint,
        rules_version=loaded.version,
        models_dir=settings.models_dir,
        engines=LocalEngineSource(
            transcriber=chosen.transcriber,
            device=chosen.device,
            models_dir=settings.models_dir,
            cpu_threads=n_threads,
        ),
        diarizer=diarizer,
        cpu_threads=n_threads,
        keep_transcripts_days=settings.keep_transcripts_days,
        keep_stages_days=settings.keep_stages_days,
        redaction=redaction_options(settings),
        locks=lock_rules(settings),
        # Who names a call insists on it; a night must not stumble over one again and again.
        max_faults=chosen.max_attempts if chosen.is_of_many else None,
        retries_poisoned=chosen.retry_poisoned,
        replaces=chosen.replace,
    )


def _audit_named(chosen: Chosen, plan: AuditPlan, screen: AuditScreen, output: AuditOutput) -> int:
    """Audit files, or the calls of one name, in this process and one after the other."""
    from offline.files import find_files
    from offline.report import Headline
    from speech.errors import SpeechError

    with plan.open(None, screen.busy) as place:
        with screen.busy("Looking for recordings"):
            calls: Sequence[Call] = (
                (find_files(chosen.files, chosen.speakers, are_mixed=chosen.mixed),)
                if chosen.files
                else place.finder.by_name(chosen.call_name or "").calls
            )
        failed: list[int] = []
        lacks: dict[str, None] = {}
        all_clean = True
        for number, call in enumerate(calls, start=1):
            label = f"Call {number} of {len(calls)}" if len(calls) > 1 else "Audit"
            try:
                with screen.bar(label) as on_progress:
                    outcome = place.auditor.audit(call, on_progress)
            except Exception as exc:
                code = exit_code_of(exc)
                # Models that are missing are missing for every call.
                if code is None or len(calls) == 1 or isinstance(exc, SpeechError):
                    raise
                failed.append(code)
                screen.warn(f"{call.room_sid} could not be audited: {exc}")
                continue
            found_nothing = outcome.report.headline is Headline.CLEAN
            all_clean &= found_nothing or chosen.findings_ok
            lacks.update(dict.fromkeys(outcome.lacks))
            output.show(outcome)
            screen.tell_of_kept(outcome)
    screen.tell_of_lacks(lacks)
    if lacks:
        return 3
    if failed and len(failed) == len(calls):
        return max(failed)
    return 0 if all_clean and not failed else 1


def _audit_many(
    chosen: Chosen,
    plan: AuditPlan,
    objects: ObjectStore,
    screen: AuditScreen,
    output: AuditOutput,
) -> int:
    """Audit calls by their time, many at once."""
    from earmark.audit_runs import Workers, exit_code, find_batches, run_batches
    from storage.database import open_database

    shard = chosen.shard or Shard()
    objects.check()  # before minutes of work, not after
    database = open_database(plan.database_url)
    try:
        found = find_batches(chosen, database, objects, screen)
        workers = Workers(
            engine=chosen.engine,
            address=chosen.address,
            n_workers=chosen.workers,
            n_threads=chosen.threads,
        )
        summary = run_batches(
            plan, workers, found.batches, database, shard=shard, screen=screen, output=output
        )
    finally:
        database.close()
    output.show_summary(summary)
    screen.tell_of_lacks(summary.lacks)
    for day in dict.fromkeys(batch.day for batch in found.batches if batch.day is not None):
        _sum_up(day, plan, objects, screen)
    n_unchecked = screen.n_unreadable + found.n_left_out
    return exit_code(summary, n_unchecked=n_unchecked, findings_ok=chosen.findings_ok)


def _sum_up(day: date, plan: AuditPlan, objects: ObjectStore, screen: AuditScreen) -> None:
    from offline.errors import DayBusyError
    from offline.night import sum_up
    from storage.database import open_database

    database = open_database(plan.database_url)
    try:
        night = sum_up(database, objects, day)
    except DayBusyError:
        # Whoever is at it sums the day up when it is through.
        screen.say(f"Another run writes reports of {day}; the summary of the day is left to it.")
        return
    finally:
        database.close()
    screen.say(f"Summary of the day: {objects.url(night.html_key)}")


def _held_calls(plan: AuditPlan) -> frozenset[str]:
    """Calls under legal hold, of which nothing is removed."""
    from storage.database import open_database
    from storage.holds import held_calls

    database = open_database(plan.database_url)
    try:
        with database.begin(read_only=True) as connection:
            return held_calls(connection).room_sids
    finally:
        database.close()


def _forget_transcripts(
    days: int | None, held: frozenset[str], objects: ObjectStore, screen: AuditScreen
) -> None:
    """Remove the transcripts whose time is over.

    Where none are to be kept, those of earlier days stay: a shell without the setting must not
    empty the store of those who have it.
    """
    from storage.transcripts import forget_transcripts

    if days is not None:
        n_old = forget_transcripts(
            objects, before=datetime.now(UTC) - timedelta(days=days), held=held
        )
        if n_old:
            what = "1 kept transcript was" if n_old == 1 else f"{n_old} kept transcripts were"
            screen.say(f"{what} older than {days} days and {what.split()[-1]} removed.")


def _forget_stages(days: int | None, held: frozenset[str], objects: ObjectStore) -> None:
    """Remove what stages made and nobody needs: of dead audits, and what was kept long enough."""
    from storage.stage_work import forget_stages

    forget_stages(objects, now=datetime.now(UTC), keep_days=days, held=held)
