"""What every page stands on: storage, options, and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request

from console.anchoring import Anchoring
from console.oidc import Oidc
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
        claim_time: How long a claimed call is somebody's without a word from them.
        double_review_share: The share of calls that two reviewers judge blindly, in [0.0, 1.0].
    """

    url: str
    session_time: timedelta = timedelta(hours=8)
    links: bool = True
    claim_time: timedelta = timedelta(minutes=15)
    double_review_share: float = 0.0

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
    """An open console.

    Attributes:
        rule_files: The rule files that are set; empty means the built-in book. The first published
            rules are taken from them.
        uses_published_rules: Whether observers and audits are set to use the published rules.
        models_dir: For rules that compare sentences; None = such rules are not run.
    """

    database: Database
    objects: KeepingStore
    options: ConsoleOptions
    rule_files: tuple[Path, ...] = ()
    uses_published_rules: bool = True
    models_dir: Path | None = None
    now: Callable[[], datetime] = field(default=utc_now)
    oidc: Oidc | None = None  # None = nobody signs in by an identity provider
    anchoring: Anchoring | None = None  # None = there is no key, so nothing is anchored


def console_of(request: Request) -> Console:
    """The console that a request came to."""
    console: Console = request.app.state.console
    return console
