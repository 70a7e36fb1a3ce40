"""The receiver of LiveKit's webhooks: what became of recordings, and of calls nobody observes.

Webhooks come late, twice, out of order, or not at all. So each is taken in once by its id, states
only move forward, and what never came is found by `realtime/lister.py`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web
from google.protobuf.json_format import Parse, ParseError
from livekit import api
from livekit.protocol.webhook import WebhookEvent

from realtime.clock import call_start
from realtime.egress_requests import EgressOptions, egress_of
from storage import calls
from storage.database import Connection, Database
from storage.egresses import save_egress
from storage.errors import StorageError
from storage.webhook_events import forget_events, is_new_event

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024  # LiveKit's largest, with every participant's metadata, is far below
_MAX_AT_ONCE = 16
_FORGET_EVERY = 1000
_ROOM_EVENTS = frozenset({"room_started", "room_finished"})
_EGRESS_EVENTS = frozenset({"egress_started", "egress_updated", "egress_ended"})


class EventReceiver:
    """Takes in webhooks over HTTP, `POST /`; `GET /` says how many, and why some were refused.

    Answers: 200 taken in, known or of no interest; 400 no event; 401 not signed by the key, for
    another body, or too late; 413 too large; 503 the database is away, so LiveKit tries again.

    Args:
        database: Open.
        api_key: LiveKit's, by which webhooks are signed.
        api_secret: The key's secret.
        options: Where recordings go.
    """

    def __init__(
        self, database: Database, *, api_key: str, api_secret: str, options: EgressOptions
    ) -> None:
        self._database = database
        self._verifier = api.TokenVerifier(api_key, api_secret)
        self._options = options
        self._slots = asyncio.Semaphore(_MAX_AT_ONCE)
        self.counts: Counter[str] = Counter()

    def app(self) -> web.Application:
        """The application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/", self._post)
        app.router.add_get("/", self._get)
        return app

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(dict(sorted(self.counts.items())))

    async def _post(self, request: web.Request) -> web.Response:
        status, outcome = await self._outcome(request)
        self.counts[outcome] += 1
        if status >= 400:
            log.warning("a webhook was refused", extra={"status": status, "reason": outcome})
        return web.Response(status=status)

    async def _outcome(self, request: web.Request) -> tuple[int, str]:
        """The answer to a request, and the name under which it is counted."""
        async with self._slots:
            try:
                # Reading stops at the limit, whatever length was announced.
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return 413, "refused_too_large"
            if not self._is_authentic(request.headers.get("Authorization", ""), body):
                return 401, "refused_not_authentic"
            try:
                event = Parse(body, WebhookEvent(), ignore_unknown_fields=True)
            except (ParseError, UnicodeDecodeError):
                return 400, "refused_no_event"
            if not event.id:
                return 400, "refused_no_event"
            try:
                outcome = await asyncio.to_thread(self._take_in, event)
            except StorageError as exc:
                log.error(
                    "a webhook waits: the database failed", extra={"error": type(exc).__name__}
                )
                return 503, "refused_database_away"
            return 200, outcome

    def _is_authentic(self, token: str, body: bytes) -> bool:
        """Whether the token is LiveKit's, still holds, and is for this body."""
        try:
            claims = self._verifier.verify(token)
            promised = base64.b64decode(claims.sha256 or "", validate=True)
        except (binascii.Error, ValueError):
            return False
        except Exception:  # PyJWT is a dependency of livekit-api, not of ours, and has many errors
            return False
        return hmac.compare_digest(promised, hashlib.sha256(body).digest())

    def _take_in(self, event: WebhookEvent) -> str:
        now = datetime.now(UTC)
        if event.event not in _ROOM_EVENTS | _EGRESS_EVENTS:
            return "ignored"
        with self._database.begin() as connection:
            if not is_new_event(connection, event.id, now=now):
                return "known"
            if event.event in _EGRESS_EVENTS:
                egress = egress_of(event.egress_info, self._options, told_at=_told_at(event, now))
                save_egress(connection, egress)
            else:
                _take_in_room(connection, event, now)
            if self.counts["taken_in"] % _FORGET_EVERY == 0:
                forget_events(connection, now=now)
        return "taken_in"


def _told_at(event: WebhookEvent, now: datetime) -> datetime:
    return datetime.fromtimestamp(event.created_at, UTC) if event.created_at > 0 else now


def _take_in_room(connection: Connection, event: WebhookEvent, now: datetime) -> None:
    """Note a call: where no observer was, its recordings have no other beginning to count from."""
    room = event.room
    if not room.sid or not (room.creation_time or room.creation_time_ms):
        return
    calls.note_call(
        connection,
        calls.Call(
            room_sid=room.sid,
            room_name=room.name,
            source="livekit",
            created_at=call_start(
                creation_time_s=room.creation_time, creation_time_ms=room.creation_time_ms
            ),
        ),
    )
    if event.event == "room_finished":
        calls.end_unobserved_call(connection, room.sid, _told_at(event, now))


async def serve(
    receiver: EventReceiver,
    *,
    host: str,
    port: int,
    stopping: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    """Serve until `stopping` is set; requests under way are answered.

    Args:
        receiver: Takes in what comes.
        host: Address to listen on.
        port: Port to listen on.
        stopping: Set to end it.
        on_ready: Called once connections are taken.

    Raises:
        OSError: the address cannot be had.
    """
    runner = web.AppRunner(receiver.app(), access_log=None)  # it would log addresses
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        on_ready()
        await stopping.wait()
    finally:
        await runner.cleanup()
