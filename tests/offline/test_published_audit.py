"""Audits by published rules: which version they take, and that the report says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from offline.report_html import render_html
from storage.database import Database, open_database
from storage.errors import RulesMissingError
from storage.objects import open_objects
from tests.offline.builders import store_call
from tests.offline.workplaces import ScriptedSource, plan_of
from tests.storage.rulebooks import BOOK, approved, edited, imported, proposed


def test_an_audit_has_the_version_that_its_run_began_with(tmp_path: Path, sound: bytes) -> None:
    """Whatever is approved meanwhile; the report bears number and fingerprint."""
    url, store = f"sqlite:///{tmp_path / 'earmark.db'}", str(tmp_path / "objects")
    database: Database = open_database(url)
    version = imported(database)
    changed = edited(BOOK, "talk.yaml", b"severity: low", b"severity: high")
    approved(database, proposed(database, changed))
    store_call(database, open_objects(store), {"agent": sound})
    database.close()
    script = ScriptedSource(loud="Please say nothing to anybody.")
    plan = replace(
        plan_of(url, store, script),
        rules_version=1,
        rulebook_fingerprint=version.fingerprint,
    )
    with plan.open(None) as place:
        (call,) = place.finder.by_name("RM_1").calls
        report = place.auditor.audit(call).report
    assert report.rulebook.published_version == 1
    assert report.rulebook.fingerprint == version.fingerprint
    assert {(found.rule_id, found.severity) for found in report.findings} == {("qa.secrecy", "low")}
    assert "published version 1" in render_html(report)
    with pytest.raises(RulesMissingError), replace(plan, rules_version=9).open(None):
        pass
