"""CSV that a spreadsheet does not take for formulas."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from io import StringIO
from itertools import chain

# OWASP, CSV Injection: a cell that begins so is a formula to a spreadsheet. Line feeds and the wide
# forms of these characters are taken for them by some programs.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Rows as CSV, a line of names first.

    Text that begins as a formula does gets an apostrophe in front of it. Numbers are written by us
    and stay numbers, negative ones too. What is unknown is an empty cell.
    """
    out = StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in chain([names], rows):
        writer.writerow([csv_cell(each) for each in row])
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def csv_cell(value: object) -> object:
    """A value as it may stand in a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, str):
        return f"'{value}" if value.lstrip(" ").startswith(_FORMULA_STARTS) else value
    return value
