"""Errors of the audit.

OfflineError                 exit 2: base of everything that `offline` raises on purpose
├── NothingToAuditError      exit 2: no file, call or recording where one was asked for
├── SpeakerNamesError        exit 2: names of speakers that do not fit the audio
├── ReportFormatError        exit 2: bytes that are no report of a known version
├── DiarizerNameError        exit 2: a diarizer that nobody knows
├── DiarizerError            exit 3: voices cannot be told apart here: weights or a library missing
├── LackError                exit 3: a stage lacks models or what runs them (offline.lack)
├── ExportError              exit 2: a folder that tables cannot be written to
├── DayBusyError             exit 3: a day whose reports change while they are read
├── BundleError              exit 2: an evidence bundle that cannot be made or read
├── AuditBusyError           exit 3: another process is auditing this call right now
├── AuditPoisonedError       exit 1: this call failed too often, and is left alone
└── RunError                 a run over many calls that cannot go on; exit code of its cause

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


class ExportError(OfflineError):
    """Tables cannot be written where they were asked for."""


class DayBusyError(OfflineError):
    """Audits write reports faster than they can be summed up."""

    exit_code = 3


class BundleError(OfflineError):
    """No report to pack, a key that is none, or a file that is no bundle."""


class AuditBusyError(OfflineError):
    """Somebody else holds this audit; a later run will find it done."""

    exit_code = 3


class AuditPoisonedError(OfflineError):
    """A call that has failed too often, or killed who was at it; only who insists gets it."""

    exit_code = 1

    def __init__(self, room_sid: str, code: str) -> None:
        super().__init__(
            f"call {room_sid}: not audited, because earlier attempts ended badly ({code}); "
            "`--retry-poisoned` takes it up again"
        )
        self.room_sid = room_sid
        self.code = code

    def __reduce__(self) -> tuple[type[AuditPoisonedError], tuple[str, str]]:
        """Survive the way between processes."""
        return type(self), (self.room_sid, self.code)


class RunError(OfflineError):
    """What ends a run over many calls: workers that cannot begin, or die one after the other."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.code = exit_code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """That of the cause."""
        return self.code

    def __reduce__(self) -> tuple[type[RunError], tuple[str, int]]:
        """Survive the way between processes."""
        return type(self), (str(self), self.code)


class DiarizerNameError(OfflineError):
    """A name that means no diarizer."""


class DiarizerError(OfflineError):
    """Voices cannot be told apart: a library or weights are missing, or not what they should be.

    Args:
        message: One sentence for a person.
        detail: A code, for the finding. See `offline.lack` for those that can be mended.
    """

    exit_code = 3

    def __init__(self, message: str, detail: str = "models_unusable") -> None:
        super().__init__(message)
        self.detail = detail

    def __reduce__(self) -> tuple[type[DiarizerError], tuple[str, str]]:
        """Survive the way between processes."""
        return type(self), (str(self), self.detail)
