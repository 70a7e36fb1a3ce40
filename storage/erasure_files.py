"""A person's part of files that hold others, too: JSON lines, Parquet and plain text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection
from typing import Any

from storage.erasure_person import Person, without_person

_ROOM = "room_sid"


def clean_json(data: bytes, person: Person, pseudonym: str) -> bytes:
    """A JSON object without the person.

    Raises:
        ValueError: it is no JSON.
    """
    tree = without_person(json.loads(data), person, (), pseudonym)
    return json.dumps(tree, ensure_ascii=False, indent=1).encode() + b"\n"


def clean_lines(data: bytes, person: Person, pseudonym: str) -> bytes:
    """JSON lines without those that are the person's; a header says that it is not complete now.

    Raises:
        ValueError: a line is no JSON.
    """
    lines = [json.loads(line) for line in data.splitlines() if line.strip()]
    cleaned = without_person(lines, person, (), pseudonym)
    assert isinstance(cleaned, list)  # noqa: S101 - a list stays one
    if len(cleaned) < len(lines) and cleaned and "is_complete" in cleaned[0]:
        cleaned[0] = {**cleaned[0], "is_complete": False}
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in cleaned).encode()


def clean_csv(data: bytes, person: Person, pseudonym: str, held: Collection[str]) -> bytes:
    """A CSV without the rows that are the person's, but for those of held calls."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n" if b"\r\n" in data else "\n")
    for row in rows:
        if any(cell in held for cell in row):
            writer.writerow(row)
        elif not any(person.is_them(cell) for cell in row):
            writer.writerow([person.removed_from(cell, pseudonym) for cell in row])
    return out.getvalue().encode()


def clean_parquet(
    data: bytes,
    person: Person,
    pseudonym: str,
    *,
    calls: Collection[str],
    held: Collection[str],
) -> tuple[bytes, int]:
    """A Parquet file without the rows that are the person's.

    Args:
        data: The file.
        person: Who.
        pseudonym: What stands in their place where a value only mentions them.
        calls: Session ids of their calls: there, names as reports show them are theirs, too.
        held: Session ids of calls whose rows are not touched.

    Returns:
        The file in the same schema, and how many rows it lost or had changed; with 0, the bytes are
        those that were given.
    """
    import pyarrow as pa  # only where there are tables
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    kept: list[dict[str, Any]] = []
    n_changed = 0
    for row in table.to_pylist():
        if row.get(_ROOM) in held:
            kept.append(row)
            continue
        names = _shown(person, row) if row.get(_ROOM) in calls else set()
        texts = {name: value for name, value in row.items() if isinstance(value, str)}
        nested = [v for v in row.values() if isinstance(v, dict | list)]
        if any(person.is_them(value) or value in names for value in texts.values()) or any(
            person.mentioned_in(json.dumps(value, default=str)) for value in nested
        ):
            n_changed += 1
            continue
        cleaned = {name: person.removed_from(value, pseudonym) for name, value in texts.items()}
        n_changed += cleaned != texts
        kept.append({**row, **cleaned})
    told = {
        key: value
        for key, value in (table.schema.metadata or {}).items()
        if not person.mentioned_in(value.decode("utf-8", "replace"))
    }
    if not n_changed and len(told) == len(table.schema.metadata or {}):
        return data, 0
    buffer = io.BytesIO()
    schema = table.schema.with_metadata(told)
    pq.write_table(pa.Table.from_pylist(kept, schema=schema), buffer, compression="zstd")
    return buffer.getvalue(), n_changed


def _shown(person: Person, row: dict[str, Any]) -> set[str]:
    return person.shown_among([v for k, v in row.items() if k != _ROOM and isinstance(v, str)])
