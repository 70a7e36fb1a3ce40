"""The report as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import offline.report
from offline.errors import ReportFormatError
from offline.report import dump_report, parse_report, report_schema
from tests.offline.builders import coverage, made_report


def test_a_report_survives_json() -> None:
    """What is written is read back the same."""
    report = made_report(coverage=(coverage(),))
    assert parse_report(dump_report(report)) == report


def test_the_written_schema_is_the_one_in_force() -> None:
    """Other programs read `report.schema.json`; it says what the code does."""
    path = Path(offline.report.__file__).with_name("report.schema.json")
    assert json.loads(path.read_text(encoding="utf-8")) == report_schema()


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(dump_report(made_report())) | changes).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"{", "report: file: Invalid JSON", id="no-json"),
        pytest.param(b"{}", "report: schema_version: Field required", id="empty"),
        pytest.param(changed(schema_version=3), "report: schema_version", id="newer-version"),
        pytest.param(changed(verdicts=[]), "report: verdicts", id="unknown-key"),
        pytest.param(changed(headline="fine"), "report: headline", id="unknown-headline"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, message: str) -> None:
    """The message names the field and shows no value."""
    with pytest.raises(ReportFormatError, match=message):
        parse_report(data)


def test_the_page_about_reports_names_every_key() -> None:
    """Every top-level key of a report is explained in docs/reports.md."""
    page = Path(offline.report.__file__).parents[1] / "docs" / "reports.md"
    text = page.read_text(encoding="utf-8")
    missing = [key for key in report_schema()["properties"] if f"`{key}`" not in text]
    assert missing == []
