"""The receiver of LiveKit's webhooks, over HTTP: only LiveKit's own, in any order, each once."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from livekit import api

from realtime.egress_requests import EgressOptions
from realtime.event_receiver import MAX_BODY_BYTES, EventReceiver, serve
from storage import calls, egresses, recordings
from storage.database import Database, open_database
from storage.egresses import EgressStatus
from storage.webhook_events import KEPT_S, forget_events, is_new_event
from tests.servers.ports import free_port

KEY, SECRET = "devkey", "a-secret-of-at-least-thirty-two-characters"
STARTED = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
CREATED = datetime(2026, 3, 1, 12, tzinfo=UTC)
OBJECT_KEY = "recordings/2026-03-01/RM_1/TR_1.ogg"


def ns(moment: datetime) -> str:
    """A time as protobuf's JSON has it."""
    return str(int(moment.timestamp() * 1e6) * 1000)


def egress_event(event: str, status: str, *, at_s: int = 0, id: str | None = None) -> bytes:
    """A webhook about one egress."""
    info: dict[str, Any] = {
        "egressId": "EG_1",
        "roomId": "RM_1",
        "roomName": "ward",
        "status": status,
        "updatedAt": ns(STARTED + timedelta(seconds=at_s)),
        "track": {"roomName": "ward", "trackId": "TR_1", "file": {"filepath": "x"}},
    }
    if status == "EGRESS_COMPLETE":
        info["fileResults"] = [
            {
                "filename": OBJECT_KEY,
                "startedAt": ns(STARTED),
                "endedAt": ns(STARTED + timedelta(seconds=4)),
                "duration": str(4_000_000_000),
                "size": "4321",
            }
        ]
    if status == "EGRESS_FAILED":
        info["error"], info["errorCode"] = "why it failed", 500
    return json.dumps({"event": event, "id": id or f"{event}-{at_s}", "egressInfo": info}).encode()


def room_event(event: str, at: datetime) -> bytes:
    """A webhook about the room."""
    room = {"sid": "RM_1", "name": "ward", "creationTime": str(int(CREATED.timestamp()))}
    return json.dumps(
        {"event": event, "id": event, "room": room, "createdAt": str(int(at.timestamp()))}
    ).encode()


STARTING = egress_event("egress_started", "EGRESS_STARTING")
ACTIVE = egress_event("egress_updated", "EGRESS_ACTIVE", at_s=1)
ENDED = egress_event("egress_ended", "EGRESS_COMPLETE", at_s=5)
FAILED = egress_event("egress_ended", "EGRESS_FAILED", at_s=5)


def token(body: bytes, *, key: str = KEY, secret: str = SECRET, valid_s: float = 300.0) -> str:
    """A token as LiveKit makes it for a body."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    made = api.AccessToken(key, secret).with_sha256(digest)
    return made.with_ttl(timedelta(seconds=valid_s)).to_jwt()


class Sender:
    """Posts webhooks, and sees what became of them."""

    def __init__(self, url: str, receiver: EventReceiver, database: Database) -> None:
        self.url = url
        self.receiver = receiver
        self.database = database

    async def post(self, body: bytes, authorization: str | None = None) -> int:
        """Post a body, by default with LiveKit's token for it.

        Returns:
            The status of the answer.
        """
        given = token(body) if authorization is None else authorization
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                self.url,
                content=body,
                headers={"Authorization": given, "Content-Type": "application/webhook+json"},
            )
        return answer.status_code

    def egress(self) -> egresses.Egress | None:
        """The only egress, None where none is known."""
        with self.database.begin(read_only=True) as connection:
            found = egresses.egresses_of(connection, "RM_1")
        return found[0] if found else None


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    """A receiver on loopback and one who posts to it."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    receiver = EventReceiver(database, api_key=KEY, api_secret=SECRET, options=EgressOptions())
    stopping, ready, port = asyncio.Event(), asyncio.Event(), free_port()
    serving = asyncio.create_task(
        serve(receiver, host="127.0.0.1", port=port, stopping=stopping, on_ready=ready.set)
    )
    await ready.wait()
    yield Sender(f"http://127.0.0.1:{port}/", receiver, database)
    stopping.set()
    await serving
    database.close()


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([STARTING, ACTIVE, ENDED], id="in-order"),
        pytest.param([ENDED, STARTING, ACTIVE], id="end-first"),
        pytest.param([ACTIVE, ENDED, STARTING], id="start-last"),
        pytest.param([ENDED], id="end-alone"),
    ],
)
async def test_order_does_not_matter(sender: Sender, order: list[bytes]) -> None:
    """However they come, the egress is complete and its recording has the file's own times."""
    for body in order:
        assert await sender.post(body) == 200
    egress = sender.egress()
    assert egress is not None
    assert (egress.status, egress.size_bytes) == (EgressStatus.COMPLETE, 4321)
    with sender.database.begin(read_only=True) as connection:
        (recording,) = recordings.recordings_of(connection, "RM_1")
    assert recording.object_key == OBJECT_KEY
    assert (recording.started_at, recording.duration_s) == (STARTED, 4.0)
    assert sender.receiver.counts == {"taken_in": len(order)}


async def test_failure_keeps_its_code(sender: Sender) -> None:
    """Of a failure the code is kept, and nothing that Egress wrote about it; no recording."""
    for body in (FAILED, ACTIVE):
        assert await sender.post(body) == 200
    egress = sender.egress()
    assert egress is not None
    assert (egress.status, egress.error_code) == (EgressStatus.FAILED, 500)
    with sender.database.begin(read_only=True) as connection:
        assert recordings.recordings_of(connection, "RM_1") == ()


async def test_the_same_twice(sender: Sender) -> None:
    """LiveKit's second try is answered well, so that there is no third, and does nothing."""
    assert [await sender.post(ENDED) for _ in range(3)] == [200, 200, 200]
    assert sender.receiver.counts == {"taken_in": 1, "known": 2}


async def test_the_same_at_once(sender: Sender) -> None:
    """Many copies at the same moment are one event."""
    assert set(await asyncio.gather(*(sender.post(ENDED) for _ in range(12)))) == {200}
    assert sender.receiver.counts == {"taken_in": 1, "known": 11}


@pytest.mark.parametrize(
    ("body", "authorization", "status", "outcome"),
    [
        pytest.param(ENDED, "", 401, "refused_not_authentic", id="no-token"),
        pytest.param(ENDED, "nonsense", 401, "refused_not_authentic", id="no-jwt"),
        pytest.param(
            ENDED, token(ENDED, secret="x" * 40), 401, "refused_not_authentic", id="forged"
        ),
        pytest.param(
            ENDED, token(ENDED, key="other"), 401, "refused_not_authentic", id="other-key"
        ),
        pytest.param(ENDED, token(STARTING), 401, "refused_not_authentic", id="other-body"),
        pytest.param(
            ENDED, token(ENDED, valid_s=-3600), 401, "refused_not_authentic", id="stale"
        ),
        pytest.param(
            ENDED, api.AccessToken(KEY, SECRET).to_jwt(), 401, "refused_not_authentic",
            id="token-without-hash",
        ),
        pytest.param(b"[]", None, 400, "refused_no_event", id="a-list"),
        pytest.param(b"\xff", None, 400, "refused_no_event", id="not-utf-8"),
        pytest.param(b'{"event": "egress_ended"}', None, 400, "refused_no_event", id="no-id"),
        pytest.param(
            b" " * (MAX_BODY_BYTES + 1), None, 413, "refused_too_large", id="oversized"
        ),
    ],
)  # fmt: skip
async def test_refused(
    sender: Sender, body: bytes, authorization: str | None, status: int, outcome: str
) -> None:
    """What is not LiveKit's, or is nothing, is refused with its own status, counted, not kept."""
    assert await sender.post(body, authorization) == status
    assert sender.receiver.counts == {outcome: 1}
    assert sender.egress() is None


async def test_body_without_a_length(sender: Sender) -> None:
    """A body that never ends is not read to its end."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    async with httpx.AsyncClient() as client:
        try:
            answer = await client.post(sender.url, content=pieces())
            assert answer.status_code == 413
        except httpx.TransportError:
            pass  # the connection was cut while it was still sending
    assert sender.receiver.counts == {"refused_too_large": 1}


async def test_events_of_no_interest(sender: Sender) -> None:
    """Other events are answered well, and leave nothing."""
    body = json.dumps({"event": "participant_joined", "id": "e1"}).encode()
    assert await sender.post(body) == 200
    assert sender.receiver.counts == {"ignored": 1}


@pytest.mark.parametrize("order", [("room_started", "room_finished"), ("room_finished",)])
async def test_call_that_nobody_observes(sender: Sender, order: tuple[str, ...]) -> None:
    """Its beginning and end come from the room's events, whichever arrives."""
    ended = CREATED + timedelta(minutes=3)
    for event in order:
        assert await sender.post(room_event(event, ended)) == 200
    with sender.database.begin(read_only=True) as connection:
        call = calls.get_call(connection, "RM_1")
    assert call is not None
    assert (call.created_at, call.ended_at, call.observer_joined_s) == (CREATED, ended, None)


async def test_call_that_is_observed(sender: Sender) -> None:
    """The observer's row stays: that the observer did not see the end must not be hidden."""
    observed = calls.Call(
        room_sid="RM_1", room_name="ward", source="livekit", created_at=STARTED,
        observer_joined_s=1.0,
    )  # fmt: skip
    with sender.database.begin() as connection:
        calls.save_call(connection, observed)
    assert await sender.post(room_event("room_finished", STARTED)) == 200
    with sender.database.begin(read_only=True) as connection:
        assert calls.get_call(connection, "RM_1") == observed


async def test_automatic_egress_that_could_not_start(sender: Sender) -> None:
    """LiveKit tells of it without an egress id; it is a failed egress of that track."""
    info = {
        "roomId": "RM_1", "roomName": "ward", "status": "EGRESS_FAILED", "error": "no response",
        "track": {"roomName": "ward", "trackId": "TR_9"},
    }  # fmt: skip
    body = json.dumps({"event": "egress_ended", "id": "e2", "egressInfo": info}).encode()
    assert await sender.post(body) == 200
    egress = sender.egress()
    assert egress is not None
    assert (egress.egress_id, egress.track_id, egress.status) == (
        "unstarted-TR_9", "TR_9", EgressStatus.FAILED,
    )  # fmt: skip


async def test_database_is_away(sender: Sender, tmp_path: Path) -> None:
    """LiveKit is told to try again, and then the event is taken in."""
    path = tmp_path / "earmark.db"
    sender.database.close()
    path.rename(tmp_path / "elsewhere")
    path.mkdir()
    assert await sender.post(ENDED) == 503
    path.rmdir()
    (tmp_path / "elsewhere").rename(path)
    assert await sender.post(ENDED) == 200
    assert sender.receiver.counts == {"refused_database_away": 1, "taken_in": 1}


async def test_log_holds_no_body(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of a body or a token is logged, taken in or refused."""
    caplog.set_level("DEBUG")
    await sender.post(FAILED)
    await sender.post(FAILED, token(ENDED))
    logged = "".join(
        f"{record.msg}{record.__dict__}"
        for record in caplog.records
        if record.name.startswith("realtime")
    )
    assert "a webhook was refused" in logged
    for private in ("ward", "why it failed", "EG_1"):
        assert private not in logged


def test_ids_are_forgotten_in_time(tmp_path: Path) -> None:
    """An id is kept for a day, far longer than a token lives, and no longer."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    later = STARTED + timedelta(seconds=KEPT_S)
    with database.begin() as connection:
        assert is_new_event(connection, "e", now=STARTED)
        assert forget_events(connection, now=later) == 0
        assert not is_new_event(connection, "e", now=later)
        assert forget_events(connection, now=later + timedelta(seconds=1)) == 1
    database.close()
