"""The notebook that reads a report."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from offline.days import Day
from offline.report import dump_report
from offline.report_tables import coverage_table, findings_table, scores_table, speakers_table
from storage.objects import open_objects
from tests.offline.builders import DAY, coverage, made_report

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def shown_by(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """Everything that a notebook prints and shows, run from top to bottom."""
    with warnings.catch_warnings():
        # The kernel's own plumbing warns of what its next versions will do.
        warnings.simplefilter("ignore")
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}}).execute()
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that finds our packages, and writes into no home."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_committed_without_output_and_hold_no_logic(path: Path) -> None:
    """Cells only import, read and show: nothing is defined, branched or looped over."""
    for cell in read(path.name).cells:
        if cell.cell_type != "code":
            continue
        assert (cell.outputs, cell.execution_count) == ([], None)
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(
                node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.If | ast.Try
            )


@pytest.mark.usefixtures("kernel")
def test_the_notebook_runs_on_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom, on a report with a finding of each kind."""
    path = tmp_path / "report.json"
    path.write_bytes(dump_report(made_report(coverage=(coverage(),))))
    monkeypatch.setenv("AUDIT_REPORT", str(path))
    shown = shown_by(read("read_a_report.ipynb"), tmp_path)
    assert "RM_1 findings" in shown
    assert "Payment card number spoken" in shown
    assert "there is no recording" in shown
    assert "••••••••••••6467" in shown


@pytest.mark.usefixtures("kernel")
def test_the_notebook_runs_on_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the tables as audits leave them."""
    objects = open_objects(str(tmp_path / "objects"))
    objects.put_bytes(
        f"reports/{DAY}/RM_1/report.json", dump_report(made_report()), content_type="a/b"
    )
    Day(objects, DAY).write_tables()
    monkeypatch.setenv("AUDIT_TABLES", str(tmp_path / "objects" / "tables"))
    shown = shown_by(read("read_days.ipynb"), tmp_path)
    assert "1 calls on 1 days, 2 findings" in shown
    assert "pii.card-number" in shown


def test_tables_have_their_columns_even_without_rows() -> None:
    """An empty table has the same columns as a full one."""
    full = made_report(coverage=(coverage(),))
    empty = made_report(findings=(), coverage=(), speakers=())
    for table in (findings_table, coverage_table, speakers_table):
        assert list(table(full).columns) == list(table(empty).columns)
        assert (len(table(full)) > 0, len(table(empty))) == (True, 0)
    assert findings_table(full)["verdict"].tolist() == ["missed_live", "confirmed"]
    assert scores_table(full)["recall_ratio"].tolist() == [1.0]
