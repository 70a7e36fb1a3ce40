"""The reports of a day: read back from the object store, and laid down as tables by date."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from offline.errors import DayBusyError, ReportFormatError
from offline.report import Report, parse_report
from offline.tables import SCHEMAS, joined, parquet, rows_of
from storage.errors import ObjectMissingError
from storage.objects import ObjectStore

TABLES = "tables/"
PARQUET_TYPE = "application/vnd.apache.parquet"
_KEY = re.compile(r"reports/\d{4}-\d{2}-\d{2}/[^/]+/report\.json")
# A day whose reports change every time that its tables are written is still being audited.
_MAX_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written of a day."""

    keys: tuple[str, ...]
    n_calls: int
    unreadable: tuple[str, ...] = field(repr=False)  # keys of reports of no known version


class Day:
    """The reports of one day.

    Args:
        objects: Where they lie.
        day: UTC.
    """

    def __init__(self, objects: ObjectStore, day: date) -> None:
        self._objects = objects
        self.day = day
        self._unreadable: dict[str, None] = {}

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Keys of reports that could not be read when they were asked for."""
        return tuple(self._unreadable)

    def reports(self) -> Iterator[Report]:
        """Reports in the order of their keys, read one at a time.

        Raises:
            StorageError: the object store failed.
        """
        for key in self._listing():
            try:
                yield parse_report(self._objects.get_bytes(key))
            except ObjectMissingError:
                continue  # removed since it was listed
            except ReportFormatError:
                self._unreadable[key] = None

    def write_tables(self) -> Written:
        """Write the day's tables anew, from its reports.

        Whoever writes last has seen all reports: if any came, went or changed meanwhile, the
        tables are written once more. A day without reports has no tables.

        Raises:
            DayBusyError: reports kept changing.
            StorageError: the object store failed.
        """
        for _ in range(_MAX_TRIES):
            before = self._listing()
            tables = joined(rows_of(report) for report in self.reports())
            keys = {name: table_key(name, self.day) for name in SCHEMAS}
            for name, rows in tables.items():
                if before:
                    data = parquet(name, rows)
                    self._objects.put_bytes(keys[name], data, content_type=PARQUET_TYPE)
                else:
                    self._objects.delete(keys[name])
            if self._listing() == before:
                return Written(
                    keys=tuple(keys.values()) if before else (),
                    n_calls=len(tables["calls"]),
                    unreadable=self.unreadable,
                )
        raise DayBusyError(
            f"{self.day.isoformat()}: its reports keep changing; try again when no audit runs"
        )

    def _listing(self) -> Mapping[str, object]:
        """Keys of reports, with what tells whether they were written anew."""
        return {
            info.key: (info.size_bytes, info.modified_at)
            for info in self._objects.list(f"reports/{self.day.isoformat()}/")
            if _KEY.fullmatch(info.key)
        }


def table_key(table: str, day: date) -> str:
    """Object key of a table's rows of a day, laid out so that readers find days by themselves."""
    return f"{TABLES}{table}/date={day.isoformat()}/part-0.parquet"
