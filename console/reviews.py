"""What the pages of the review share: who is called what, filters in addresses, refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

from sqlalchemy import Connection, select

from console.errors import BadRequestError, ConflictError, NotThereError
from rules.types import Severity
from storage.console_tables import CONSOLE_SESSIONS
from storage.errors import ClaimError, ReviewError, ReviewMissingError, VerdictError
from storage.queue_filter import Cursor, QueueFilter, Shown, Sort
from storage.queue_summary import Flagged

ALL = "all"
_MAX_RULE_CHARS = 200
_MAX_PERSON_CHARS = 200
_NOBODY = "-"  # in the filter by assignee
# What may stand in an address of the queue; a saved view keeps these.
NAMES = ("status", "rule", "severity", "since", "until", "about", "differ", "assignee", "sort")


@contextmanager
def told() -> Iterator[None]:
    """Show what a review refuses as what it is, and not as a failure of the storage."""
    try:
        yield
    except ReviewMissingError as exc:
        raise NotThereError(_sentence(exc)) from None
    except ClaimError as exc:
        raise ConflictError(_sentence(exc)) from None
    except (ReviewError, VerdictError) as exc:
        raise BadRequestError(_sentence(exc)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """What an address of the queue asks for."""

    which: QueueFilter
    sort: Sort
    query: Mapping[str, str]  # as it stands in the address, without what is the default

    @property
    def fields(self) -> Mapping[str, str]:
        """What stands in each field of the form."""
        return {name: self.query.get(name, "") for name in NAMES}

    @property
    def text(self) -> str:
        """What stands behind the question mark."""
        return urlencode(dict(self.query))

    def address(self, *, after: Cursor | None = None, **changes: str | None) -> str:
        """The address of this view, changed."""
        query = {name: value for name, value in {**self.query, **changes}.items() if value}
        if after is not None:
            query["after"] = after.to_text()
        return f"/queue?{urlencode(query)}" if query else "/queue"


def view_of(query: Mapping[str, str]) -> QueueView:
    """What an address asks for; names that are not known are left out.

    Raises:
        BadRequestError: a value makes no sense.
    """
    given = {name: query[name].strip() for name in NAMES if query.get(name, "").strip()}
    try:
        status = given.get("status", Shown.OPEN.value)
        about, differ = given.get("about"), given.get("differ")
        assignee = given.get("assignee")
        which = QueueFilter(
            status=None if status == ALL else Shown(status),
            rule_id=_short(given.get("rule"), _MAX_RULE_CHARS),
            min_severity=Severity(given["severity"]) if "severity" in given else None,
            since=_day(given.get("since")),
            until=_day(given.get("until"), days=1),
            flagged=Flagged(about) if about else None,
            disagrees=None if differ is None else {"yes": True, "no": False}[differ],
            assignee=None if assignee == _NOBODY else _short(assignee, _MAX_PERSON_CHARS),
            is_assigned=False if assignee == _NOBODY else None,
        )
        sort = Sort(given.get("sort", Sort.SEVERITY.value))
    except (ValueError, KeyError, OverflowError):
        raise BadRequestError("This filter of the queue cannot be read.") from None
    return QueueView(which=which, sort=sort, query=MappingProxyType(given))


def names_of(connection: Connection) -> Mapping[str, str]:
    """What people are called who are signed in; others are shown by their id."""
    rows = connection.execute(
        select(CONSOLE_SESSIONS.c.person_id, CONSOLE_SESSIONS.c.name).order_by(
            CONSOLE_SESSIONS.c.seen_at
        )
    )
    return {person_id: name for person_id, name in rows}


def called(names: Mapping[str, str], person_id: str | None) -> str:
    """A person's name, or what of the id can be read."""
    if person_id is None:
        return ""
    return names.get(person_id) or person_id.removeprefix("link:")


def waited(since: datetime, now: datetime) -> str:
    """How long something waits: 5 min, 3 h, 12 d."""
    minutes = max(0, int((now - since).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


def _day(text: str | None, *, days: int = 0) -> datetime | None:
    if text is None:
        return None
    return datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=days)


def _short(text: str | None, limit: int) -> str | None:
    if text is not None and len(text) > limit:
        raise ValueError
    return text


def _sentence(exc: Exception) -> str:
    text = str(exc)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
