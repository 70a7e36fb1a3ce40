"""What every response tells the browser to refuse: strange scripts, frames, hosts, and caches."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.state import ConsoleOptions

_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    }
)

# Asked by whoever runs the container, under a name of their own; it tells nothing.
HEALTH_PATH = "/healthz"


def policy(nonce: str) -> str:
    """The Content-Security-Policy: everything is our own, and no script or style stands in a page.

    The nonce is for the style elements that the waveform and the editor make of themselves.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self'",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "font-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


class SafetyHeaders:
    """Middleware: sets the headers, and turns away requests that are addressed to another host."""

    def __init__(self, app: ASGIApp, options: ConsoleOptions) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message), scope["path"], nonce)
            await send(message)

        host = Headers(scope=scope).get("host", "").lower()
        if host not in self._options.hosts and scope["path"] != HEALTH_PATH:
            answer = PlainTextResponse(
                f"This console is reached as {self._options.url} only.\n", status_code=421
            )
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, path: str, nonce: str) -> None:
        headers["content-security-policy"] = policy(nonce)
        for name, value in _FIXED.items():
            headers.setdefault(name, value)
        if self._options.is_https:
            headers["strict-transport-security"] = "max-age=63072000"
        if not path.startswith("/static/"):
            # What was shown to one person must not be found by the next one at the same machine.
            headers.setdefault("cache-control", "no-store")
