"""What is not to be had here: models, or what runs them. Whatever needs them is not checked.

A lack is mended by whoever runs the audit, and not by hearing the same again. So a call that lacked
something gets its report, which says so, and is audited anew once it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from offline.errors import DiarizerError, OfflineError
from speech.errors import (
    DeviceMissingError,
    EngineMissingError,
    ModelMissingError,
    ModelStoreError,
    SpeechError,
)

EXTRA_MISSING: Final = "extra_missing"
DEVICE_MISSING: Final = "device_missing"
MODELS_MISSING: Final = "models_missing"
MODELS_UNUSABLE: Final = "models_unusable"
# Details of coverage findings that stand for a lack.
LACKS: Final = frozenset({EXTRA_MISSING, DEVICE_MISSING, MODELS_MISSING, MODELS_UNUSABLE})

# What is not done where something is lacking, as sentences begin.
NOT_TRANSCRIBED: Final = "not transcribed"
NOT_TOLD_APART: Final = "voices are not told apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that is not to be had here."""

    detail: str  # one of LACKS
    message: str  # one sentence for a person: what is not done, why, and what mends it


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A stage that made nothing of a lane."""

    detail: str  # a code, for the finding
    lack: Lack | None = None  # None where there is nothing to mend


class LackError(OfflineError):
    """A stage lacks something. `offline.hearing` turns it into an outcome."""

    exit_code = 3

    def __init__(self, lack: Lack) -> None:
        super().__init__(lack.message)
        self.lack = lack


def lack_of(error: DiarizerError | SpeechError, what: str) -> Lack:
    """What an error says is not to be had.

    Args:
        error: Of loading models; never of hearing something with them.
        what: Is not done without them.
    """
    match error:
        case DiarizerError():
            detail = error.detail
        case DeviceMissingError():
            detail = DEVICE_MISSING
        case EngineMissingError():
            detail = EXTRA_MISSING
        case ModelMissingError() | ModelStoreError():
            detail = MODELS_MISSING
        case _:  # of other weights, or of none
            detail = MODELS_UNUSABLE
    return Lack(detail=detail, message=f"{what}: {error}")
