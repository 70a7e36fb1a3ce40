"""The reports that are there, and whether one says more than a new one could."""

from __future__ import annotations

from offline.call import Call
from offline.errors import ReportFormatError
from offline.lack import LACKS
from offline.report import Report, parse_report
from storage.errors import ObjectMissingError
from storage.findings import CoverageCode
from storage.objects import ObjectStore

_CODES = frozenset({CoverageCode.NOT_TRANSCRIBED, CoverageCode.NOT_DIARIZED})


class Shelf:
    """Reports in the object store.

    Args:
        objects: The store.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def report_of(self, call: Call) -> Report | None:
        """The report of a call; None where page or JSON is gone, or of a version nobody knows.

        Raises:
            StorageError: the store cannot be reached.
        """
        html_key, json_key = report_keys(call)
        if self._objects.head(html_key) is None:
            return None
        try:
            return parse_report(self._objects.get_bytes(json_key))
        except (ObjectMissingError, ReportFormatError):
            return None

    def richer_than_what_is_left(self, call: Call) -> Report | None:
        """The report of a call of which recordings were deleted on purpose since it heard them.

        Raises:
            StorageError: the store cannot be reached.
        """
        deleted = {source.name for source in call.sources if source.is_deleted}
        report = self.report_of(call) if deleted else None
        if report is None:
            return None
        heard = {each.name for each in report.recordings if each.status != "not_checked"}
        return report if deleted & heard else None

    def without_lacks(self, call: Call) -> Report | None:
        """The report of a call, if nothing was lacking when it was made.

        Raises:
            StorageError: the store cannot be reached.
        """
        report = self.report_of(call)
        return None if report is None or lacks_in(report) else report


def lacks_in(report: Report) -> frozenset[str]:
    """What a report says was not to be had; see `offline.lack`."""
    return frozenset(
        gap.detail for gap in report.coverage if gap.code in _CODES and gap.detail in LACKS
    )


def report_keys(call: Call) -> tuple[str, str]:
    """Object keys of a call's page and of its JSON."""
    folder = f"reports/{call.day.isoformat()}/{call.room_sid}"
    return f"{folder}/report.html", f"{folder}/report.json"
