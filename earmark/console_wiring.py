"""Wires the review console: settings into what it stands on."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from earmark.errors import BadInputError, ServiceMissingError
from earmark.settings import Settings
from earmark.trail_wiring import anchor_options
from earmark.wiring import open_store, rule_source

if TYPE_CHECKING:
    from console.oidc import OidcOptions
    from console.state import Console, ConsoleOptions
    from storage.database import Database


def check_packages() -> None:
    """See that the extra `console` is installed.

    Raises:
        ServiceMissingError: it is not.
    """
    if any(find_spec(name) is None for name in ("authlib", "fastapi", "uvicorn")):
        raise ServiceMissingError(
            "the console needs its packages; install them with `pip install 'earmark[console]'`"
        )


def console_options(settings: Settings, *, host: str, port: int) -> ConsoleOptions:
    """How the console is reached and entered.

    Raises:
        BadInputError: links would sign in, and others than this machine could reach it.
    """
    from console.state import ConsoleOptions

    shown = f"[{host}]" if ":" in host else host
    url = settings.console_url or f"http://{shown}:{port}"
    options = partial(
        ConsoleOptions,
        url=url,
        session_time=timedelta(hours=settings.console_session_hours),
        claim_time=timedelta(minutes=settings.console_claim_minutes),
        double_review_share=settings.console_double_review_share,
    )
    if settings.console_oidc_issuer is not None:
        if not (url.startswith("https://") or is_loopback(urlsplit(url).hostname or "")):
            raise BadInputError(
                f"console_url: {url} is not protected on its way: set EARMARK_CONSOLE_URL to the "
                "https address of the proxy before the console"
            )
        return options(links=False)
    if not is_loopback(host):
        raise BadInputError(
            f"--host {host}: one-time links are for loopback only; set up sign-in by OIDC, see "
            "docs/console.md, or leave --host out"
        )
    if settings.console_url and not is_loopback(urlsplit(settings.console_url).hostname or ""):
        raise BadInputError(
            "console_url: one-time links are for loopback only; set up sign-in by OIDC, see "
            "docs/console.md, or unset it"
        )
    return options(links=True)


def oidc_options(settings: Settings) -> OidcOptions | None:
    """The provider that people sign in by; None = one-time links do."""
    from console.access import Role
    from console.oidc import OidcOptions

    issuer, client_id = settings.console_oidc_issuer, settings.console_oidc_client_id
    if issuer is None or client_id is None:
        return None
    secret = settings.console_oidc_client_secret
    pairs = (each.rpartition("=") for each in settings.console_oidc_roles)
    return OidcOptions(
        issuer=issuer,
        client_id=client_id,
        client_secret=secret.get_secret_value() if secret is not None else None,
        groups_claim=settings.console_oidc_groups_claim,
        roles=tuple((group, Role(role)) for group, _, role in pairs),
        scopes=settings.console_oidc_scopes,
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, seen from itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def open_console(
    settings: Settings, options: ConsoleOptions, database: Database
) -> Iterator[Console]:
    """The console over an open database, with what works beside it.

    Heads of the trail are anchored, and calls of a time before the queue are put into it.
    """
    from console.anchoring import Anchoring
    from console.oidc import Oidc
    from console.state import Console, utc_now
    from storage.queue_summary import refresh_stale

    objects = open_store(settings)
    anchors = anchor_options(settings)
    anchoring = Anchoring(database, objects, anchors, now=utc_now) if anchors is not None else None
    provider = oidc_options(settings)
    rules = rule_source((), settings)
    console = Console(
        database=database,
        objects=objects,
        options=options,
        rule_files=rules.paths,
        uses_published_rules=rules.is_published,
        models_dir=settings.models_dir,
        oidc=Oidc(provider) if provider is not None else None,
        anchoring=anchoring,
    )
    # After an upgrade from a version without a queue; the pages say how many calls are missing.
    Thread(target=refresh_stale, args=(database,), daemon=True).start()
    if anchoring is not None:
        anchoring.start()
    try:
        yield console
    finally:
        if anchoring is not None:
            anchoring.stop()
