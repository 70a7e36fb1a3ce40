"""Data messages that prove who sent them: an id, a time, a signature, and the signed body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


def seal(id_: str, body: Mapping[str, object], secret: str | None) -> bytes:
    """The data message of something that is sent into a room.

    The receiver cannot see who sent a data message, so it carries a Standard Webhooks signature
    over its id, time and body. The body is a string: the very characters that were signed.

    Args:
        id_: Stable, so that a receiver can tell a repeat.
        body: What is sent.
        secret: `whsec_` and base64; None sends an unsigned message, marked as such.
    """
    text = json.dumps(body, separators=(",", ":"))
    sent_at = datetime.now(UTC)
    signature = Webhook(secret).sign(id_, sent_at, text) if secret else None
    return json.dumps(
        {
            "id": id_,
            "timestamp": int(sent_at.timestamp()),
            "signature": signature,
            "body": text,
        }
    ).encode()


def unseal(data: bytes, secret: str) -> Mapping[str, object] | None:
    """Check a data message and give its body.

    Returns:
        The body, or None for a message that is malformed, forged or older than five minutes.
    """
    try:
        message = json.loads(data)
        headers = {
            "webhook-id": str(message["id"]),
            "webhook-timestamp": str(message["timestamp"]),
            "webhook-signature": str(message["signature"]),
        }
        body = Webhook(secret).verify(message["body"], headers)
    except (
        ValueError, KeyError, TypeError, AttributeError, RecursionError, WebhookVerificationError,
    ):  # fmt: skip
        return None
    return body if isinstance(body, dict) else None
