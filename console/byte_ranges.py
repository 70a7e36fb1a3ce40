"""Which bytes a browser asks for: RFC 9110, section 14, for one range.

A browser that plays sound asks for `bytes=0-` and, when somebody jumps, for `bytes=N-`. Several
ranges in one request are not needed for that, and answering them has been a way to make servers
work for nothing: they are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_ONE = re.compile(r"(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Half-open [start_bytes, end_bytes), never empty."""

    start_bytes: int
    end_bytes: int

    @property
    def n_bytes(self) -> int:
        """How many bytes."""
        return self.end_bytes - self.start_bytes


class NotSatisfiable(Exception):
    """No such bytes, or several ranges at once: 416."""


def asked_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """The range that a `Range` header asks for.

    Args:
        header: As it came; None = there was none.
        size_bytes: Of the whole object.

    Returns:
        None where all of it is to be sent: there is no header, or one of another unit or without
        meaning, which the RFC has a server ignore.

    Raises:
        NotSatisfiable: nothing of what is asked for is there, or several ranges are.
    """
    if header is None or not header.strip().lower().startswith("bytes="):
        return None
    specs = [each.strip() for each in header.split("=", 1)[1].split(",")]
    found = [match for spec in specs if (match := _ONE.fullmatch(spec)) and spec != "-"]
    if not found or len(found) < len(specs):
        return None
    if len(found) > 1:
        raise NotSatisfiable
    first, last = found[0].groups()
    if not first:
        n_bytes = min(int(last), size_bytes)
        if n_bytes == 0:
            raise NotSatisfiable
        return ByteRange(start_bytes=size_bytes - n_bytes, end_bytes=size_bytes)
    start = int(first)
    if last and int(last) < start:
        return None  # malformed, section 14.1.1
    if start >= size_bytes:
        raise NotSatisfiable
    return ByteRange(
        start_bytes=start, end_bytes=min(int(last) + 1, size_bytes) if last else size_bytes
    )


def etag_of(*parts: str) -> str:
    """A strong entity tag out of what tells versions apart."""
    safe = "-".join(re.sub(r"[^0-9A-Za-z]", "", part) for part in parts)
    return f'"{safe}"'


def is_current(if_range: str | None, etag: str, modified_at: datetime) -> bool:
    """Whether an `If-Range` header means the object as it is now, so that a range makes sense.

    Args:
        if_range: As it came; None = there was none.
        etag: Of the object now.
        modified_at: UTC.
    """
    if if_range is None:
        return True
    given = if_range.strip()
    if given.startswith(('"', "W/")):
        return given == etag  # a weak tag never matches, section 13.1.5
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return False
    if at.tzinfo is None:
        return False
    return at.astimezone(UTC) == modified_at.replace(microsecond=0)


def http_date(at: datetime) -> str:
    """A time as headers carry it."""
    return format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)
