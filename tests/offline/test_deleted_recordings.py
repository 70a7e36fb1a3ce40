"""A call whose recording was deleted on purpose, audited again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offline.audit import Auditor, Outcome
from offline.find import Finder
from offline.report import Headline
from rules.loader import load_rulebook
from storage.database import Database
from storage.deletion_marks import (
    DeletionMark,
    DeletionReason,
    mark_for_deletion,
    note_deleted,
)
from storage.findings import CoverageCode
from storage.objects import ObjectStore
from tests.offline.builders import ScriptedEngines, store_call

NOTICE = "This call is being recorded."
CUSTOMER = "recordings/2026-03-01/RM_1/TR_2.ogg"
OTHER_RULES = Path(__file__).parents[2] / "rules" / "book" / "pii"

Audit = Callable[..., Outcome]


@pytest.fixture
def audit(database: Database, objects: ObjectStore, sound: bytes) -> Audit:
    """A call of two people, and what audits it."""
    store_call(database, objects, {"agent": sound, "customer": sound})

    def run(*rules: Path, replaces: bool = False) -> Outcome:
        (call,) = Finder(database, objects).by_name("RM_1").calls
        return Auditor(
            database=database,
            objects=objects,
            rulebook=load_rulebook(rules),
            engines=ScriptedEngines(NOTICE),
            replaces=replaces,
        ).audit(call)

    return run


def delete(
    database: Database,
    objects: ObjectStore,
    reason: DeletionReason = DeletionReason.CARD_SECURITY_CODE,
    *,
    is_noted: bool = True,
) -> None:
    """Delete the customer's recording as `earmark retention apply` does."""
    mark = DeletionMark(
        object_key=CUSTOMER, reason=reason, room_sid="RM_1", marked_at=datetime.now(UTC)
    )
    objects.delete(CUSTOMER)
    with database.begin() as connection:
        mark_for_deletion(connection, [mark])
        if is_noted:
            note_deleted(connection, CUSTOMER, datetime.now(UTC))


def gaps(outcome: Outcome) -> list[tuple[CoverageCode, str, str | None]]:
    return [(gap.code, gap.detail, gap.speaker) for gap in outcome.report.coverage]


def test_the_report_of_before_stays(database: Database, objects: ObjectStore, audit: Audit) -> None:
    """It says more than a new one could, whatever the rules are now."""
    before = audit()
    assert before.report.headline is Headline.CLEAN
    delete(database, objects)
    for outcome in (audit(), audit(OTHER_RULES)):
        assert (outcome.was_done, outcome.is_kept) == (True, True)
        assert outcome.report == before.report


@pytest.mark.parametrize("reason", list(DeletionReason))
def test_who_insists_gets_a_report_of_what_is_left(
    database: Database, objects: ObjectStore, audit: Audit, reason: DeletionReason
) -> None:
    """It says that the recording was deleted on purpose; the other one is checked as before."""
    audit()
    delete(database, objects, reason)
    outcome = audit(replaces=True)
    assert not outcome.was_done
    assert gaps(outcome) == [
        (CoverageCode.RECORDING_MISSING, f"deleted_{reason.value}", "customer")
    ]
    assert outcome.report.coverage[0].message.startswith("Was deleted on purpose: ")
    assert outcome.report.headline is Headline.INCOMPLETE
    assert [r.status for r in outcome.report.recordings] == ["checked", "not_checked"]
    # Now this is the report, and it is found.
    assert audit().report == outcome.report


def test_where_there_is_no_report_one_is_made(
    database: Database, objects: ObjectStore, audit: Audit
) -> None:
    """Deleted before it was ever heard: nothing is lost by a report."""
    delete(database, objects)
    outcome = audit()
    assert not outcome.was_done
    assert [detail for _, detail, _ in gaps(outcome)] == ["deleted_card_security_code"]


def test_a_recording_that_is_gone_before_it_was_deleted_is_missing(
    database: Database, objects: ObjectStore, audit: Audit
) -> None:
    """A mark alone deletes nothing; what is gone all the same is missing."""
    audit()
    delete(database, objects, is_noted=False)
    outcome = audit()
    assert not outcome.was_done
    assert [detail for _, detail, _ in gaps(outcome)] == ["object_missing"]


def test_a_recording_that_is_there_again_is_heard(
    database: Database, objects: ObjectStore, audit: Audit, sound: bytes
) -> None:
    """Somebody has put it back."""
    delete(database, objects)
    objects.put_bytes(CUSTOMER, sound, content_type="audio/wav")
    assert gaps(audit()) == []
