"""The notebook that reads a report."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from offline.report import dump_report
from offline.report_tables import coverage_table, findings_table, scores_table, speakers_table
from tests.offline.builders import coverage, made_report

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "read_a_report.ipynb"


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_committed_without_output_and_holds_no_logic() -> None:
    """Cells only import, read and show: nothing is defined, branched or looped over."""
    for cell in read().cells:
        if cell.cell_type != "code":
            continue
        assert (cell.outputs, cell.execution_count) == ([], None)
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(
                node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.If | ast.Try
            )


def test_the_notebook_runs_on_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom, on a report with a finding of each kind."""
    path = tmp_path / "report.json"
    path.write_bytes(dump_report(made_report(coverage=(coverage(),))))
    monkeypatch.setenv("AUDIT_REPORT", str(path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = read()
    with warnings.catch_warnings():
        # The kernel's own plumbing warns of what its next versions will do.
        warnings.simplefilter("ignore")
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    shown = "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert "RM_1 findings" in shown
    assert "Payment card number spoken" in shown
    assert "there is no recording" in shown
    assert "••••••••••••6467" in shown


def test_tables_have_their_columns_even_without_rows() -> None:
    """An empty table has the same columns as a full one."""
    full = made_report(coverage=(coverage(),))
    empty = made_report(findings=(), coverage=(), speakers=())
    for table in (findings_table, coverage_table, speakers_table):
        assert list(table(full).columns) == list(table(empty).columns)
        assert (len(table(full)) > 0, len(table(empty))) == (True, 0)
    assert findings_table(full)["verdict"].tolist() == ["missed_live", "confirmed"]
    assert scores_table(full)["recall_ratio"].tolist() == [1.0]
