"""The stream of what goes on: server-sent events from the database, for a bounded number of people.

Each event bears a cursor (`storage.live_view.Cursor`) as its id, which browsers send back when they
connect again, so that nothing is lost and nothing comes twice. A stream ends with the session.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.concurrency import run_in_threadpool

from console.errors import ConsoleError
from console.state import Console
from storage import console_sessions
from storage.live_view import Cursor, LiveCall, LiveHit, live_calls, new_hits

MAX_STREAMS = 100  # of one process
MAX_STREAMS_EACH = 4  # windows of one person
MAX_AGE = timedelta(minutes=15)  # what is missed for longer is better read on a new page
_POLL_S = 1.0
_CALLS_EVERY = 2  # polls
_SESSION_EVERY = 5  # polls
_MAX_POLLS = 600  # then the browser connects anew
_RETRY_MS = 2000


class TooManyStreamsError(ConsoleError):
    """No more windows are kept up to date."""

    status = 503


class StreamSeats:
    """How many streams there are, in all and of each person."""

    def __init__(self, total: int = MAX_STREAMS, each: int = MAX_STREAMS_EACH) -> None:
        self._total = total
        self._each = each
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, person_id: str) -> None:
        """Take a seat; `leave` gives it back.

        Raises:
            TooManyStreamsError: none is free.
        """
        with self._lock:
            if self._taken.total() >= self._total or self._taken[person_id] >= self._each:
                raise TooManyStreamsError(
                    "Too many windows are open on what goes on. Close some, then load this again."
                )
            self._taken[person_id] += 1

    def leave(self, person_id: str) -> None:
        """Give a seat back."""
        with self._lock:
            self._taken[person_id] -= 1
            self._taken += Counter()  # forgets those that have none


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one poll found."""

    hits: tuple[LiveHit, ...]
    is_all: bool
    calls: tuple[LiveCall, ...] | None  # None where this poll did not ask
    has_session: bool


class LiveFeed:
    """One window's stream.

    Args:
        console: Where.
        token: Of the session; when it is over, so is the stream.
        cursor: What the window has seen.
        show_hit: Turns a hit into markup.
        show_calls: Turns the calls that go on into markup.
    """

    def __init__(
        self,
        console: Console,
        token: str,
        cursor: Cursor,
        *,
        show_hit: Callable[[LiveHit], str],
        show_calls: Callable[[tuple[LiveCall, ...]], str],
    ) -> None:
        self._console = console
        self._token = token
        self._cursor = cursor
        self._show_hit = show_hit
        self._show_calls = show_calls

    async def events(self) -> AsyncIterator[str]:
        """Events until the session ends, or until it is time to connect anew."""
        yield f"retry: {_RETRY_MS}\n\n"
        if self._cursor.horizon < self._console.now() - MAX_AGE:
            yield event("reload", "", None)
            return
        shown: str | None = None
        for n in range(_MAX_POLLS):
            now = self._console.now()
            look = await run_in_threadpool(self._look, n)
            if not look.has_session:
                yield event("ended", "", None)
                return
            for hit in look.hits:
                self._cursor = self._cursor.past(hit)
                yield event("hit", self._show_hit(hit), self._cursor)
            self._cursor = self._cursor.after(look.hits, now=now, is_all=look.is_all)
            if look.calls is not None:
                markup = self._show_calls(look.calls)
                # What did not change is not sent again; the cursor is, and keeps the line open.
                yield event("calls" if markup != shown else "still", markup, self._cursor)
                shown = markup
            if look.is_all:
                await asyncio.sleep(_POLL_S)

    def _look(self, n: int) -> Look:
        now = self._console.now()
        with self._console.database.begin(read_only=True) as connection:
            hits, is_all = new_hits(connection, self._cursor)
            return Look(
                hits=hits,
                is_all=is_all,
                calls=live_calls(connection, now=now) if n % _CALLS_EVERY == 0 else None,
                has_session=n % _SESSION_EVERY != 0
                or console_sessions.session_of(connection, self._token, now=now) is not None,
            )


def event(kind: str, data: str, cursor: Cursor | None) -> str:
    """One server-sent event."""
    lines = [f"event: {kind}"]
    if cursor is not None:
        lines.append(f"id: {cursor}")
    if kind == "still":
        data = ""
    lines += [f"data: {line}" for line in data.splitlines() or [""]]
    return "\n".join(lines) + "\n\n"


@contextmanager
def seat(seats: StreamSeats, person_id: str) -> Iterator[None]:
    """A seat that is taken already, given back at the end of the block."""
    try:
        yield
    finally:
        seats.leave(person_id)
