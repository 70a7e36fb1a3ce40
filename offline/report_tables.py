"""Tables of a report, for notebooks. The one module with pandas, of the extra `notebooks`.

Each table has the columns of the record that it is made of, in the order of `report.schema.json`,
whether it has rows or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from offline.report import CoverageFinding, Report, RuleFinding, RuleScore, Speaker

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]


def findings_table(report: Report) -> pd.DataFrame:
    """One row a finding on a rule, without its marks."""
    return _table(RuleFinding, report.findings, without=("marks",))


def coverage_table(report: Report) -> pd.DataFrame:
    """One row for each thing that was not checked, or not heard live."""
    return _table(CoverageFinding, report.coverage)


def speakers_table(report: Report) -> pd.DataFrame:
    """One row a speaker: how much they say, and how much of it was checked."""
    return _table(Speaker, report.speakers, without=("speech",))


def scores_table(report: Report) -> pd.DataFrame:
    """One row a rule: live against audit."""
    return _table(RuleScore, report.reconciliation.rules)


def _table(kind: type[Any], rows: Sequence[Any], *, without: Sequence[str] = ()) -> pd.DataFrame:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    columns = [field.name for field in fields(kind) if field.name not in without]
    plain = [{name: _plain(value) for name, value in asdict(row).items()} for row in rows]
    return pd.DataFrame(plain, columns=columns)


def _plain(value: object) -> object:
    return getattr(value, "value", value)  # enumerations as the words they stand for
