"""Reading the trail: pages of entries, the newest first, and all of them as lines of a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, select

from storage.trail import TrailEntry, entry_from
from storage.trail_hashes import canonical, shown_time
from storage.trail_tables import TRAIL

_PAGE_ROWS = 2000
_COLUMNS = (
    "seq", "at", "actor", "action", "call", "subject", "detail", "prev_hash", "hash",
)  # fmt: skip
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TrailFormat(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """Which entries are wanted; None = whatever."""

    actor: str | None = field(default=None, repr=False)
    action: str | None = None
    room_sid: str | None = None
    since: datetime | None = None  # UTC, this moment too
    until: datetime | None = None  # UTC, not this moment

    def where(self) -> list[ColumnElement[bool]]:
        """The conditions."""
        found: list[ColumnElement[bool]] = []
        if self.actor is not None:
            found.append(TRAIL.c.actor == self.actor)
        if self.action is not None:
            found.append(TRAIL.c.action == self.action)
        if self.room_sid is not None:
            found.append(TRAIL.c.room_sid == self.room_sid)
        if self.since is not None:
            found.append(TRAIL.c.at >= self.since)
        if self.until is not None:
            found.append(TRAIL.c.at < self.until)
        return found


def newest_entries(
    connection: Connection, wanted: TrailFilter, *, before: int | None = None, limit: int = 50
) -> tuple[TrailEntry, ...]:
    """A page of entries, the newest first.

    Args:
        connection: In a transaction.
        wanted: Which.
        before: Only those with smaller numbers, to go on from the last of the page before.
        limit: How many at most.
    """
    query = select(TRAIL).where(*wanted.where()).order_by(TRAIL.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(TRAIL.c.seq < before)
    return tuple(map(entry_from, connection.execute(query).mappings()))


def all_entries(connection: Connection, wanted: TrailFilter) -> Iterator[TrailEntry]:
    """All entries that are wanted, the oldest first, a page at a time in memory."""
    query = select(TRAIL).where(*wanted.where()).order_by(TRAIL.c.seq)
    options = {"stream_results": True, "yield_per": _PAGE_ROWS}
    for row in connection.execute(query, execution_options=options).mappings():
        yield entry_from(row)


def export_lines(
    connection: Connection, wanted: TrailFilter, format_: TrailFormat
) -> Iterator[str]:
    """Lines of an export, each with its end.

    JSON lines hold an entry as it is hashed; CSV marks cells that a spreadsheet would run with an
    apostrophe.
    """
    if format_ is TrailFormat.CSV:
        yield _csv_line(_COLUMNS)
    for entry in all_entries(connection, wanted):
        values = as_exported(entry)
        if format_ is TrailFormat.JSONL:
            yield json.dumps({"type": "entry", **values}) + "\n"
        else:
            values["detail"] = canonical(values["detail"])
            yield _csv_line([_harmless(values[name]) for name in _COLUMNS])


def as_exported(entry: TrailEntry) -> dict[str, object]:
    """An entry as JSON."""
    return {
        "seq": entry.seq,
        "at": shown_time(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "call": entry.room_sid,
        "subject": entry.subject,
        "detail": dict(entry.detail),
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


def _csv_line(cells: object) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)  # type: ignore[arg-type]
    return out.getvalue()


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
