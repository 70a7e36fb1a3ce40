"""A real HTTP server that receives webhooks and checks their signatures."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


@dataclass(frozen=True, kw_only=True)
class ReceivedWebhook:
    """One request."""

    id: str | None
    payload: dict[str, object]
    authentic: bool


@dataclass(frozen=True, kw_only=True)
class WebhookReceiver:
    """A running receiver."""

    url: str
    received: list[ReceivedWebhook]


@contextmanager
def running_webhook_receiver(
    secret: str, statuses: Sequence[int] = (), *, headers: Mapping[str, str] | None = None
) -> Iterator[WebhookReceiver]:
    """Receive webhooks on loopback.

    Args:
        secret: Checks the signatures.
        statuses: Answers to the first requests, in order; after them 204.
        headers: Of every answer.
    """
    received: list[ReceivedWebhook] = []
    answers = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            n_bytes = int(self.headers["content-length"])
            body = self.rfile.read(n_bytes)
            if len(body) < n_bytes:
                return  # the sender was killed in mid-sentence
            try:
                Webhook(secret).verify(body, dict(self.headers.items()))
                authentic = True
            except WebhookVerificationError:
                authentic = False
            received.append(
                ReceivedWebhook(
                    id=self.headers.get("webhook-id"), payload=json.loads(body), authentic=authentic
                )
            )
            self.send_response(answers.pop(0) if answers else 204)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield WebhookReceiver(
            url=f"http://127.0.0.1:{server.server_port}/alerts", received=received
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
