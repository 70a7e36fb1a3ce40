"""`earmark audit`: recordings in, the authoritative report out."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from earmark.audit_options import Chosen, ShardType, check
from earmark.audit_output import AuditOutput
from earmark.audit_screen import AuditScreen
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
from speech.device import DEVICES

if TYPE_CHECKING:
    from earmark.audit_plan import AuditPlan
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
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where models run; auto takes a GPU where one works.",
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
    raise SystemExit(_audit(chosen, plan, objects, screen, output))


def _audit(
    chosen: Chosen,
    plan: AuditPlan,
    objects: ObjectStore,
    screen: AuditScreen,
    output: AuditOutput,
) -> int:
    from earmark.audit_leftovers import forget_leftovers
    from earmark.audit_many import audit_many
    from earmark.audit_named import audit_named
    from storage.database import open_database

    objects.check()  # before minutes of work, not after
    database = open_database(plan.database_url)
    try:
        if chosen.is_of_many:
            code = audit_many(chosen, plan, database, objects, screen, output)
        else:
            code = audit_named(chosen, plan, database, screen, output)
        forget_leftovers(plan, database, objects, screen)
    finally:
        database.close()
    return code


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
        device=chosen.device,
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
