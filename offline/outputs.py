"""What an audit writes besides the report's page and JSON: an output plugs in here.

Redacted audio, redacted text, kept transcripts: each is an `Output` that the `Auditor` is given. It
is written before the audit is recorded as done, under keys that depend on the call alone, so that
an audit that was killed writes the same again in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from offline.call import Call, Source
from offline.composition import Evidence
from offline.report import Report
from offline.stages.take import Take, taken
from storage.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An audit whose report is composed and not yet written."""

    report: Report
    evidence: Evidence
    pipeline: Mapping[str, object]  # models and options, JSON
    objects: ObjectStore

    def recording(self, source: Source) -> AbstractContextManager[Take]:
        """The bytes and the sound of a recording, fetched again.

        Raises:
            ObjectMissingError: it is no longer there.
            StorageError: the store cannot be reached.
        """
        return taken(source, self.objects)


class Output(Protocol):
    """Something that is written of each audited call."""

    def describe(self) -> Mapping[str, object]:
        """All that decides what is written, as JSON, under a key of its own.

        It goes into the key of the audit: with another outcome, calls are audited again. Empty
        where that is not wanted.
        """

    def lacks(self, call: Call) -> bool:
        """Whether it should be there for a call that was audited, and is not: audit it again."""

    def write(self, finished: Finished) -> None:
        """Write it, in the place of an earlier one.

        Raises:
            StorageError: it cannot be written; the audit stays open.
        """
