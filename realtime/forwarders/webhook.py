"""Records to a webhook, signed, several in a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from realtime.forwarders.forwarder import QueuedForwarder
from realtime.guard import Guard, GuardedTransport
from realtime.records import TOPIC, Record

# Records are many and grow stale: they are tried for half a minute, not for days like alerts.
_RETRY_DELAYS_S = (1.0, 5.0, 20.0)
_TIMEOUT = httpx.Timeout(10.0)
_GONE = 410


class RecordWebhook(QueuedForwarder[Record]):
    """Posts records, with personal data covered, as `{"type", "room_sid", "records"}`.

    A batch keeps its id over all tries, so a receiver can tell a repeat.

    Args:
        url: Where records are posted.
        secret: Signs them, `whsec_` and base64; None posts unsigned.
        room_sid: The call.
        guard: Says which addresses may be reached.
        retry_delays_s: Pauses before further tries.
    """

    def __init__(
        self,
        *,
        url: str,
        secret: str | None,
        room_sid: str,
        guard: Guard,
        retry_delays_s: Sequence[float] = _RETRY_DELAYS_S,
    ) -> None:
        super().__init__(name="webhook", room_sid=room_sid, max_batch=50, gather_s=1.0)
        self._url = url
        self._webhook = Webhook(secret) if secret else None
        self._retry_delays_s = tuple(retry_delays_s)
        # Redirects are not followed: a target that was checked must stay the target.
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard), timeout=_TIMEOUT, follow_redirects=False
        )
        self._is_gone = False  # the receiver said that it wants no more

    def put(self, record: Record) -> None:
        """Take one record."""
        if self._is_gone:
            self._lose(1, "the receiver is gone")
        else:
            self.enqueue(record)

    async def deliver(self, items: Sequence[Record]) -> bool:
        """Post a batch.

        Raises:
            TargetRefusedError: the address may not be reached. Trying again would not mend that.
        """
        body = json.dumps(
            {
                "type": TOPIC,
                "room_sid": self.room_sid,
                "records": [record.payload() for record in items],
            },
            separators=(",", ":"),
        )
        batch_id = uuid4().hex
        for delay_s in (*self._retry_delays_s, None):
            if await self._post(batch_id, body):
                return True
            if delay_s is None or self._is_gone:
                return False
            await asyncio.sleep(delay_s)
        return False

    async def close(self) -> None:
        """Post what is left and let go of the connection."""
        await super().close()
        await self._client.aclose()

    async def _post(self, batch_id: str, body: str) -> bool:
        sent_at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": batch_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
        }
        if self._webhook is not None:
            headers["webhook-signature"] = self._webhook.sign(batch_id, sent_at, body)
        try:
            response = await self._client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError:
            return False
        self._is_gone = response.status_code == _GONE
        return response.is_success
