"""Errors of the live side.

RealtimeError
├── LiveKitConfigError       an address or key that cannot be one (exit 2)
├── LiveKitUnavailableError  a server that does not answer or refuses the keys (exit 3)
├── DispatchError            no observer took the job (exit 3)
├── TargetRefusedError       an alert target's address that nothing may be sent to (exit 2)
├── SpeechProcessError       the shared speech process of a worker ended (exit 3)
├── RecognitionError         a recogniser failed on a piece of speech
│   └── RecognitionDropped   it was given up, because too much waited or something newer came
├── PluginError              a speech-to-text plugin that is missing or cannot be set up (exit 3)
├── LanguageError            an utterance could not be read for its record
├── AnalystError             the analyst cannot be run as it is set up (exit 2)
└── RecorderError            a recording could not be written or put away
"""

from __future__ import annotations

from typing import ClassVar


class RealtimeError(Exception):
    """Base of everything that the live side raises on purpose."""

    exit_code: ClassVar[int] = 3


class LiveKitConfigError(RealtimeError):
    """The LiveKit address or keys are missing or malformed."""

    exit_code = 2


class LiveKitUnavailableError(RealtimeError):
    """The LiveKit server cannot be reached, or it refuses the keys or the request.

    Args:
        message: For a person.
        code: The server's own word for it, such as "not_found"; "unavailable" without an answer.
    """

    def __init__(self, message: str, *, code: str = "unavailable") -> None:
        super().__init__(message)
        self.code = code


class DispatchError(RealtimeError):
    """The observer was asked into a room and did not come."""


class TargetRefusedError(RealtimeError):
    """The address of an alert target leads where nothing may be sent to."""

    exit_code = 2


class SpeechProcessError(RealtimeError):
    """The speech process of a worker ended, so that no room of it can be heard any more."""


class RecognitionError(RealtimeError):
    """A recogniser gave no words for a piece of speech. Never carries what was said."""


class RecognitionDropped(RecognitionError):
    """A piece of speech was given up while it waited."""


class PluginError(RealtimeError):
    """A speech-to-text plugin that is not installed, or that cannot be set up."""


class LanguageError(RealtimeError):
    """An utterance could not be read, so its words stay out of its record."""


class AnalystError(RealtimeError):
    """The analyst lacks a setting that it cannot work without."""

    exit_code = 2


class RecorderError(RealtimeError):
    """A recording could not be written, or could not be put into the object store."""
