"""Audits calls by their time, many at once, and sums up their days."""

from __future__ import annotations

from datetime import date

from earmark.audit_options import Chosen, Shard
from earmark.audit_output import AuditOutput
from earmark.audit_plan import AuditPlan
from earmark.audit_runs import Workers, exit_code, find_batches, run_batches
from earmark.audit_screen import AuditScreen
from offline.errors import DayBusyError
from offline.night import sum_up
from storage.database import Database
from storage.objects import ObjectStore


def audit_many(
    chosen: Chosen,
    plan: AuditPlan,
    database: Database,
    objects: ObjectStore,
    screen: AuditScreen,
    output: AuditOutput,
) -> int:
    """Audit them and show what came of it.

    Returns:
        The exit code.

    Raises:
        NothingToAuditError: there is no call, where a day or a time was named.
        RunError: workers cannot begin, or die one after the other.
        StorageError: the database or the object store cannot be reached.
    """
    found = find_batches(chosen, database, objects, screen)
    workers = Workers(
        engine=chosen.engine,
        address=chosen.address,
        n_workers=chosen.workers,
        n_threads=chosen.threads,
    )
    summary = run_batches(
        plan,
        workers,
        found.batches,
        database,
        shard=chosen.shard or Shard(),
        screen=screen,
        output=output,
    )
    output.show_summary(summary)
    screen.tell_of_lacks(summary.lacks)
    for day in dict.fromkeys(batch.day for batch in found.batches if batch.day is not None):
        _sum_up(day, database, objects, screen)
    n_unchecked = screen.n_unreadable + found.n_left_out
    return exit_code(summary, n_unchecked=n_unchecked, findings_ok=chosen.findings_ok)


def _sum_up(day: date, database: Database, objects: ObjectStore, screen: AuditScreen) -> None:
    try:
        night = sum_up(database, objects, day)
    except DayBusyError:
        # Whoever is at it sums the day up when it is through.
        screen.say(f"Another run writes reports of {day}; the summary of the day is left to it.")
        return
    screen.say(f"Summary of the day: {objects.url(night.html_key)}")
