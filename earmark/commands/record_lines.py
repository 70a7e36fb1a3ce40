"""Reading records, one JSON object a line, for the commands that look at transcripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from earmark.errors import BadInputError
from rules.errors import RuleInputError
from rules.records import Record, parse_record


def records(source: Path) -> Iterator[Record]:
    """The records of a file, or of standard input for `-`, one after another.

    Raises:
        BadInputError: the file cannot be read, or a line is none; the message names the line.
    """
    name = "standard input" if str(source) == "-" else str(source)
    try:
        with click.open_file(str(source), "rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _record(line, f"{name}:{number}")
    except OSError as exc:
        if isinstance(exc, BrokenPipeError):
            raise
        reason = exc.strerror or "cannot be read"
        raise BadInputError(f"{name}: {reason}; give a file of JSON lines") from None


def _record(line: bytes, place: str) -> Record:
    try:
        return parse_record(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInputError(f"{place}: not UTF-8 text; save the file as UTF-8") from None
    except RuleInputError as exc:
        raise BadInputError(f"{place}: {exc}") from None
