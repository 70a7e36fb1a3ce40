"""Tables for other programs: Parquet, and CSV that a spreadsheet does not take for formulas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from offline.errors import ExportError
from offline.tables import SCHEMAS, Row, parquet
from storage.csv_text import csv_lines

Format = Literal["csv", "parquet"]


def export(tables: Mapping[str, Sequence[Row]], format: Format, to: Path) -> tuple[Path, ...]:
    """Write every table into a folder, one file each; a file that is there is replaced.

    Args:
        tables: Rows by table.
        format: Of the files.
        to: The folder, made where it is missing.

    Returns:
        The files.

    Raises:
        ExportError: they cannot be written.
    """
    return tuple(_written(tables, format, to))


def csv_text(table: str, rows: Sequence[Row]) -> str:
    """Rows as CSV, with a line of names first.

    Text that begins as a formula does gets an apostrophe in front of it. Numbers are written by us
    and stay numbers, negative ones too. What is unknown is an empty cell.
    """
    names = SCHEMAS[table].names
    return "".join(csv_lines(names, ([row[name] for name in names] for row in rows)))


def _written(tables: Mapping[str, Sequence[Row]], format: Format, to: Path) -> Iterator[Path]:
    try:
        to.mkdir(parents=True, exist_ok=True)
        for name, rows in tables.items():
            path = to / f"{name}.{format}"
            part = path.with_name(f".{path.name}.part")
            if format == "csv":
                # With a byte order mark, or Excel takes it for another character set.
                part.write_bytes(csv_text(name, rows).encode("utf-8-sig"))
            else:
                part.write_bytes(parquet(name, rows))
            part.replace(path)
            yield path
    except OSError as exc:
        raise ExportError(f"{to}: cannot be written: {exc.strerror}") from None
