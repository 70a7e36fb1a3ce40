"""What every page stands on: storage, options, and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request

from storage.database import Database
from storage.versions import KeepingStore

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def utc_now() -> datetime:
    """The time on the wall."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """How the console is reached and entered.

    Attributes:
        url: Address that browsers use, without a slash at its end, such as
            https://earmark.example.com.
        session_time: How long somebody stays signed in at most.
        links: Whether one-time links sign in. Only for a console that nobody reaches from outside.
    """

    url: str
    session_time: timedelta = timedelta(hours=8)
    links: bool = True

    @property
    def is_https(self) -> bool:
        """Whether browsers reach it by TLS; cookies are then for TLS only."""
        return self.url.startswith("https://")

    @property
    def hosts(self) -> frozenset[str]:
        """Names, with ports, that requests may be addressed to.

        Any other would be a page of somebody else's whose name was pointed at us.
        """
        parts = urlsplit(self.url)
        if parts.hostname not in _LOOPBACK:
            return frozenset({parts.netloc})
        port = f":{parts.port}" if parts.port else ""
        return frozenset(f"{name}{port}" for name in ("localhost", "127.0.0.1", "[::1]"))

    @property
    def cookie(self) -> str:
        """Name of the session's cookie. With `__Host-`, no other host can have set it."""
        return "__Host-earmark" if self.is_https else "earmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """An open console."""

    database: Database
    objects: KeepingStore
    options: ConsoleOptions
    now: Callable[[], datetime] = field(default=utc_now)
    models_dir: Path | None = None  # for rules that compare sentences; None = they are not run
    uses_published_rules: bool = True  # whether this machine's programs are set to
    rule_files: tuple[Path, ...] = ()  # what first published rules are made of; () = the book


def console_of(request: Request) -> Console:
    """The console that a request came to."""
    console: Console = request.app.state.console
    return console
