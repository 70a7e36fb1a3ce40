"""Errors of the command, each with the exit code that the shell sees.

EarmarkError
├── BadInputError        exit 2: a file, an option, a setting or a rule that cannot be used
└── ServiceMissingError  exit 3: a server, an account or a model that is not there
"""

from __future__ import annotations

from typing import ClassVar


class EarmarkError(Exception):
    """Base: one clear sentence for a person, shown on stderr without a traceback."""

    exit_code: ClassVar[int] = 2


class BadInputError(EarmarkError):
    """What was given cannot be used; the sentence names it and says how to mend it."""

    exit_code = 2


class ServiceMissingError(EarmarkError):
    """What was asked for needs something that is not there; the sentence says how to get it."""

    exit_code = 3
