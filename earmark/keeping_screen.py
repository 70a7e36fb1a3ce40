"""What a person sees while objects are looked at and deleted: progress and remarks, on stderr."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from earmark.errors import BadInputError
from earmark.settings import Settings
from earmark.wiring import open_store
from storage.database import Database, open_database
from storage.versions import KeepingStore


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Database, KeepingStore]]:
    """Database and object store, seen to be there; closed at the end."""
    store = open_store(settings)
    store.check()
    database = open_database(settings.resolved_database_url)
    try:
        yield database, store
    finally:
        database.close()


class KeepingScreen:
    """A line that changes on a terminal, and nothing but remarks in a pipe."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def busy(self, what: str) -> Iterator[Counter]:
        """Say what goes on, with a count."""
        with self._console.status(what) as status:
            yield Counter(lambda n: status.update(f"{what}: {n}"))

    def say(self, text: str) -> None:
        """Tell of something."""
        self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell of something that went otherwise than asked."""
        self._console.print(text, style="yellow", markup=False, soft_wrap=True)


class Counter:
    """Counts what was done.

    Args:
        show: Told the count.
    """

    def __init__(self, show: Callable[[int], None]) -> None:
        self._n = 0
        self._show = show

    def add(self) -> None:
        """One more."""
        self._n += 1
        self._show(self._n)


def who(given: str | None) -> str:
    """Who gives the order: as said, else the user of this machine.

    Raises:
        BadInputError: nobody is known.
    """
    try:
        name = given or getpass.getuser()
    except (OSError, KeyError):
        name = ""
    if not name.strip():
        raise BadInputError("it is not known who you are; say it with --by NAME")
    return name.strip()


def shown_bytes(n_bytes: int) -> str:
    """A size for people.

    >>> shown_bytes(1_234_567), shown_bytes(12)
    ('1.2 MB', '12 bytes')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"
