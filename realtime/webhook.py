"""Delivers queued alerts to a webhook, signed, with retries that end."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook

from storage import outbox
from storage.database import Database
from storage.errors import StorageError

log = logging.getLogger(__name__)

# Retries over a bit more than three days, as Standard Webhooks advises.
_RETRY_DELAYS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
_POLL_S = 5.0
_BATCH = 20
_TIMEOUT = httpx.Timeout(10.0)
_GONE = 410


class WebhookPump:
    """Takes due deliveries from the outbox and posts them.

    A delivery keeps its id over all tries, so a receiver can tell a repeat. Several pumps may run
    on one database: each takes other rows.

    Args:
        database: Where the outbox is.
        url: Where alerts are posted.
        secret: Signs them, `whsec_` and base64; None posts unsigned.
    """

    def __init__(self, database: Database, *, url: str, secret: str | None) -> None:
        self._database = database
        self._url = url
        self._webhook = Webhook(secret) if secret else None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was queued."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        # Redirects are not followed: a target that was checked must stay the target.
        async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
            while True:
                self._wake.clear()
                while await self.deliver_due(client):
                    pass
                try:
                    await asyncio.wait_for(self._wake.wait(), _POLL_S)
                except TimeoutError:
                    continue

    async def deliver_due(self, client: httpx.AsyncClient) -> int:
        """Try what is due once.

        Returns:
            How many deliveries were tried.
        """
        try:
            due = await asyncio.to_thread(self._claim)
            for delivery in due:
                error, gone = await self._post(client, delivery)
                await asyncio.to_thread(self._settle, delivery, error, gone)
        except (StorageError, SQLAlchemyError) as exc:
            log.error("the outbox cannot be read", extra={"error": type(exc).__name__})
            return 0
        return len(due)

    async def _post(
        self, client: httpx.AsyncClient, delivery: outbox.Delivery
    ) -> tuple[str | None, bool]:
        body = json.dumps(delivery.payload, separators=(",", ":"))
        sent_at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
        }
        if self._webhook is not None:
            headers["webhook-signature"] = self._webhook.sign(delivery.id, sent_at, body)
        try:
            response = await client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as exc:
            return type(exc).__name__, False
        if response.is_success:
            return None, False
        return f"status {response.status_code}", response.status_code == _GONE

    def _claim(self) -> tuple[outbox.Delivery, ...]:
        with self._database.begin() as connection:
            return outbox.due(connection, now=datetime.now(UTC), limit=_BATCH)

    def _settle(self, delivery: outbox.Delivery, error: str | None, gone: bool) -> None:
        now = datetime.now(UTC)
        with self._database.begin() as connection:
            if error is None:
                outbox.mark_delivered(connection, delivery.id, now=now)
                return
            tries_left = delivery.attempts < len(_RETRY_DELAYS_S) and not gone
            retry_at = (
                now + timedelta(seconds=_RETRY_DELAYS_S[delivery.attempts]) if tries_left else None
            )
            outbox.mark_failed(
                connection, delivery.id, error=error, next_attempt_at=retry_at, now=now
            )
        log.warning(
            "a webhook delivery failed",
            extra={"delivery_id": delivery.id, "error": error, "dead": retry_at is None},
        )
