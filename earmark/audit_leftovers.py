"""Removes what the audit had put down and nobody needs any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from earmark.audit_plan import AuditPlan
from earmark.audit_screen import AuditScreen
from storage.database import Database
from storage.holds import held_calls
from storage.objects import ObjectStore
from storage.stage_work import forget_stages
from storage.transcripts import forget_transcripts


def forget_leftovers(
    plan: AuditPlan, database: Database, objects: ObjectStore, screen: AuditScreen
) -> None:
    """Remove transcripts and stages whose time is over, but for calls under legal hold.

    Where no transcripts are to be kept, those of earlier days stay: a shell without the setting
    must not empty the store of those who have it. Stages go that dead audits left, and those that
    were kept long enough.

    Raises:
        StorageError: the database or the object store cannot be reached.
    """
    with database.begin(read_only=True) as connection:
        held = held_calls(connection).room_sids
    now = datetime.now(UTC)
    days = plan.keep_transcripts_days
    if days is not None:
        n_old = forget_transcripts(objects, before=now - timedelta(days=days), held=held)
        if n_old:
            what = "1 kept transcript was" if n_old == 1 else f"{n_old} kept transcripts were"
            screen.say(f"{what} older than {days} days and {what.split()[-1]} removed.")
    forget_stages(objects, now=now, keep_days=plan.keep_stages_days, held=held)
