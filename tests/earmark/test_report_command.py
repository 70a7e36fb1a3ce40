"""`earmark report`: summaries and exports, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from offline.report import dump_report
from storage.objects import open_objects
from tests.earmark.command import InProcess
from tests.offline.builders import made_report


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> InProcess:
    """The command, in an empty folder and without settings."""
    monkeypatch.chdir(tmp_path)
    return InProcess(subcommand="report", monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def a_report(tmp_path: Path) -> None:
    objects = open_objects(str(tmp_path / "earmark-data" / "objects"))
    objects.put_bytes(
        "reports/2026-03-01/RM_1/report.json", dump_report(made_report()), content_type="a/b"
    )


@pytest.mark.usefixtures("a_report")
def test_nightly(run: InProcess, tmp_path: Path) -> None:
    """The summary is written and named; for programs it is one line."""
    code, out, err = run("nightly", "--date", "2026-03-01")
    assert (code, err) == (0, "")
    assert out.startswith("2026-03-01: 1 call was audited, 1 with findings.\nSummary: ")
    code, out, _ = run("nightly", "--date", "2026-03-01", "--json")
    line = json.loads(out)
    assert (code, line["type"], line["calls"], line["complete"]) == (0, "nightly", 1, True)
    assert Path(line["html"].removeprefix("file://")).is_file()
    assert len(line["tables"]) == 5


@pytest.mark.usefixtures("a_report")
def test_export(run: InProcess, tmp_path: Path) -> None:
    """One file a table."""
    code, out, err = run("export", "--date", "2026-03-01", "--out", "csv")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["csv/calls.csv: 1 row", "csv/findings.csv: 2 rows"]
    options = ("--format", "parquet", "--out", "parquet", "--json")
    code, out, _ = run("export", "--date", "2026-03-01", *options)
    assert [json.loads(line)["rows"] for line in out.splitlines()] == [1, 2, 0, 2, 1]
    assert (tmp_path / "parquet" / "scores.parquet").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["export", "--date", "2026-03-02", "--out", "x"], "no report of 2026-03-02", id="no-day"
        ),
        pytest.param(["export", "--date", "yesterday", "--out", "x"], "is no day", id="bad-day"),
        pytest.param(["nightly"], "--date", id="no-date"),
        pytest.param(
            ["export", "--date", "2026-03-01", "--format", "xls", "--out", "x"], "xls", id="format"
        ),
    ],
)
def test_bad_input(run: InProcess, arguments: list[str], message: str) -> None:
    """One clear sentence and exit code 2."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
