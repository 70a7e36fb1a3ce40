"""Audits what is named, files or the calls of one name, in this process and one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.audit_options import Chosen
from earmark.audit_output import AuditOutput
from earmark.audit_plan import AuditPlan
from earmark.audit_screen import AuditScreen
from earmark.cli import exit_code_of
from offline.call import Call
from offline.files import find_files
from offline.report import Headline
from speech.errors import SpeechError
from storage.database import Database


def audit_named(
    chosen: Chosen,
    plan: AuditPlan,
    database: Database,
    screen: AuditScreen,
    output: AuditOutput,
) -> int:
    """Audit them and show each report.

    Returns:
        The exit code.

    Raises:
        NothingToAuditError: there is no such file or call.
        StorageError: a lone call could not be audited.
        SpeechError: something is missing that every call needs.
    """
    with plan.open(None, screen.busy, database=database) as place:
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
                # What is missing for one is missing for every call.
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
