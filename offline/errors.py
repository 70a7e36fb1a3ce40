"""Errors of the audit.

OfflineError                 exit 2: base of everything that `offline` raises on purpose
├── NothingToAuditError      exit 2: no file, call or recording where one was asked for
├── SpeakerNamesError        exit 2: names of speakers that do not fit the audio
├── ReportFormatError        exit 2: bytes that are no report of a known version
├── BundleError              exit 2: an evidence bundle or its key that cannot be made or read
└── AuditBusyError           exit 3: another process is auditing this call right now

What cannot be heard or read of a single recording is no error but a finding of the report.
"""

from __future__ import annotations

from typing import ClassVar


class OfflineError(Exception):
    """Base: one clear sentence for a person."""

    exit_code: ClassVar[int] = 2


class NothingToAuditError(OfflineError):
    """There is no audio where some was asked for."""


class SpeakerNamesError(OfflineError):
    """More or fewer names than voices, or one name for two voices."""


class ReportFormatError(OfflineError):
    """Bytes that are no report, or one of a version that this code does not know."""


class BundleError(OfflineError):
    """No report to pack, a key that is none, or a file that is no bundle."""


class AuditBusyError(OfflineError):
    """Somebody else holds this audit; a later run will find it done."""

    exit_code = 3
