"""From settings to the targets of alerts, and to what may be reached at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx

from earmark.settings import Settings
from realtime.guard import Allowed, Guard, needs_no_lookup
from realtime.targets import SHORT_FORM, Target


def alert_targets(settings: Settings) -> tuple[Target, ...]:
    """All targets: the one of `webhook_url`, if it is set, then those of `alert_targets`."""
    targets = [each.target() for each in settings.alert_targets]
    if settings.webhook_url is not None:
        secret = settings.webhook_secret
        secrets = (secret.get_secret_value(),) if secret is not None else ()
        targets.insert(0, Target(name=SHORT_FORM, url=settings.webhook_url, secrets=secrets))
    return tuple(targets)


def allowed_targets(settings: Settings) -> Allowed:
    """What alerts and records may reach in one's own network."""
    return Allowed.parse(settings.allow_private_targets)


def check_addresses(urls: Iterable[str], allowed: Allowed) -> None:
    """See that none is written as an address that will be refused; names are not looked up.

    Raises:
        TargetRefusedError: one is; the sentence says how to allow it.
    """
    guard = Guard(allowed)
    for url in urls:
        if needs_no_lookup(httpx.URL(url).host):
            asyncio.run(guard.check(url))
