"""Errors of the console.

ConsoleError              status, and a sentence for the person at the screen
├── SignInNeededError     401: nobody is signed in, or no longer
├── NotAllowedError       403: signed in, but the role does not reach that far
├── NotThereError         404: there is no such call, recording, rule ...
├── BadRequestError       400: the form or the address makes no sense
├── ConflictError         409: somebody else was quicker
├── RulesUnreadableError  503: the published rules are of another Earmark than this one
└── NotNotedError         500: what was to be shown could not be written into the trail

ConsoleSetupError         the console must not start like this; exit code 2
"""

from __future__ import annotations

from typing import ClassVar


class ConsoleError(Exception):
    """Something a page cannot do. The sentence is shown: it holds no personal data."""

    status: ClassVar[int] = 500


class SignInNeededError(ConsoleError):
    """Nobody is signed in."""

    status = 401


class NotAllowedError(ConsoleError):
    """The person's roles do not reach that far."""

    status = 403


class NotThereError(ConsoleError):
    """There is no such thing, or not for this person."""

    status = 404


class BadRequestError(ConsoleError):
    """The request makes no sense."""

    status = 400


class ConflictError(ConsoleError):
    """Somebody else was quicker."""

    status = 409


class RulesUnreadableError(ConsoleError):
    """The published rules do not load in this version of Earmark."""

    status = 503


class NotNotedError(ConsoleError):
    """What was to be shown is not in the trail, and so it is not shown."""


class ConsoleSetupError(Exception):
    """The console must not start with these settings."""

    exit_code = 2
