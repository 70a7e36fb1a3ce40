"""For how long what is kept, and from when on its time runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What has a time of its own."""

    RECORDINGS = "recordings"
    REDACTED = "redacted"
    REPORTS = "reports"
    TABLES = "tables"
    TRANSCRIPTS = "transcripts"
    STAGES = "stages"
    WORK = "work"
    BUNDLES = "bundles"
    ROWS = "rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Days by kind; None keeps it until somebody sets a time.

    What an audit put down under `work/` that nobody went on with has seven days: nobody needs it
    then, and it holds what was said.
    """

    recordings_days: int | None = None
    redacted_days: int | None = None
    reports_days: int | None = None
    tables_days: int | None = None
    transcripts_days: int | None = None
    stages_days: int | None = None
    work_days: int | None = 7
    bundles_days: int | None = None
    rows_days: int | None = None

    def __post_init__(self) -> None:
        """Refuse times that would leave recordings of which nobody knows whose they are."""
        rows = self.rows_days
        if rows is None:
            return
        for kind in (Kind.RECORDINGS, Kind.REDACTED):
            days = self.days(kind)
            if days is None or days > rows:
                raise ValueError(
                    f"keep_rows_days is {rows}, and {kind} are kept "
                    f"{'for ever' if days is None else f'{days} days'}: rows say whose they are, "
                    "so they must be kept as long"
                )

    def days(self, kind: Kind) -> int | None:
        """The days of a kind."""
        found: int | None = getattr(self, f"{kind}_days")
        return found


# Prefixes of the object store. What lies elsewhere is not ours to delete.
_PREFIXES = {
    "recordings/": Kind.RECORDINGS,
    "redacted/": Kind.REDACTED,
    "reports/": Kind.REPORTS,
    "tables/": Kind.TABLES,
    "transcripts/": Kind.TRANSCRIPTS,
    "stages/": Kind.STAGES,
    "work/": Kind.WORK,
    "bundles/": Kind.BUNDLES,
}
PREFIXES: tuple[str, ...] = tuple(_PREFIXES)
# Their time runs from the day of the call; that of all others from when they were written.
_BY_DAY = frozenset({Kind.RECORDINGS, Kind.REDACTED, Kind.REPORTS, Kind.TABLES})
_DAY = re.compile(r"/(?:date=)?(\d{4}-\d{2}-\d{2})(?=[/.])")
_CALL = re.compile(r"[^/]+/\d{4}-\d{2}-\d{2}/([^/]+)/")


def kind_of(key: str) -> Kind | None:
    """The kind of an object by its key, None for what is not Earmark's.

    >>> kind_of("reports/2026-03-01/RM_a/report.html"), kind_of("backups/x")
    (<Kind.REPORTS: 'reports'>, None)
    """
    return next((kind for prefix, kind in _PREFIXES.items() if key.startswith(prefix)), None)


def prefixes_of(kinds: Iterable[Kind]) -> tuple[str, ...]:
    """Where objects of these kinds lie."""
    wanted = set(kinds)
    return tuple(prefix for prefix, kind in _PREFIXES.items() if kind in wanted)


def call_of(key: str) -> str | None:
    """The call that an object is of, by its key; None where the key names none.

    >>> call_of("recordings/2026-03-01/RM_a/TR_b.ogg"), call_of("tables/hits/date=2026-03-01/x")
    ('RM_a', None)
    """
    found = _CALL.match(key)
    return found[1] if found else None


def due_at(key: str, kind: Kind, modified_at: datetime, days: int) -> datetime:
    """When an object's time is over.

    Args:
        key: Names the day of the call, if any does.
        kind: Of the object.
        modified_at: UTC, of its newest version.
        days: For how long it is kept.
    """
    if kind in _BY_DAY:
        named = _DAY.search(key)
        if named:
            try:
                day = date.fromisoformat(named[1])
            except ValueError:
                return modified_at + timedelta(days=days)
            # The whole day counts: calls that began at its end have their days too.
            return datetime.combine(day, time(), UTC) + timedelta(days=days + 1)
    return modified_at + timedelta(days=days)
