"""Every way out is bounded, ends its tries, and counts what did not arrive."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realtime.envelope import unseal
from realtime.forwarders.database import DatabaseForwarder
from realtime.forwarders.forwarder import QueuedForwarder
from realtime.forwarders.supervisors import AGENT_GONE_AFTER_S, SupervisorForwarder
from realtime.forwarders.webhook import RecordWebhook
from realtime.guard import Allowed, Guard
from realtime.record_buffer import RecordBuffer
from realtime.records import TOPIC, Record
from realtime.subscription import subscriber_in, subscription
from storage.database import Database, open_database
from storage.records import delete_records_before, records_of
from tests.realtime.builders import SECRET
from tests.realtime.flow_builders import record
from tests.servers.webhooks import running_webhook_receiver

OTHER_SECRET = "whsec_" + "b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="


@dataclass
class Room:
    """Stands for the LiveKit room: notes what was sent to whom."""

    sent: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    fails: bool = False

    @property
    def local_participant(self) -> "Room":
        """The room stands for its own participant too."""
        return self

    async def publish_data(
        self, payload: bytes, *, reliable: bool, destination_identities: list[str], topic: str
    ) -> None:
        """Note a data message, or fail as a closed room does."""
        if self.fails:
            raise RuntimeError("room closed")
        opened = unseal(payload, SECRET)
        assert opened is not None
        assert (topic, reliable) == (TOPIC, True)
        assert destination_identities
        said = "plain" if "secret" in str(opened["content"]) else "masked"
        self.sent.append((str(opened["record_id"]), said, tuple(destination_identities)))


def supervisors(room: Room, buffer: RecordBuffer, *, unmasked: bool = False) -> SupervisorForwarder:
    """The way to the supervisors in a room."""
    forwarder = SupervisorForwarder(
        room, room_sid="RM_1", secret=SECRET, buffer=buffer, unmasked=unmasked
    )
    forwarder.start()
    return forwarder


async def test_supervisors_only() -> None:
    """Nobody is sent anything before a supervisor is there, nor after they left."""
    room, buffer = Room(), RecordBuffer()
    out = supervisors(room, buffer)
    for step in ("a", "joined", "b", "left", "c"):
        if step == "joined":
            out.joined("sue")
            out.joined("sue")
        elif step == "left":
            out.left("sue")
        else:
            buffer.add(record(step))
            out.put(record(step))
    await out.close()
    assert room.sent == [("a", "masked", ("sue",)), ("b", "masked", ("sue",))]


async def test_plain_words_go_to_supervisors_and_not_to_agents() -> None:
    """With the setting, supervisors get the words; an agent that asked gets them masked."""
    room = Room()
    out = supervisors(room, RecordBuffer(), unmasked=True)
    out.joined("sue")
    out.asked("analyst", 1.0)
    out.put(record("a"))
    out.put(record("b", plain=None))
    await out.close()
    assert room.sent == [
        ("a", "masked", ("analyst",)),
        ("a", "plain", ("sue",)),
        ("b", "masked", ("sue", "analyst")),
    ]


async def test_agents_that_have_gone() -> None:
    """Who does not ask again is sent no more; there are only so many."""
    room = Room()
    out = supervisors(room, RecordBuffer())
    for i in range(20):
        out.asked(f"agent{i}", 1.0)
    out.asked("agent0", 50.0)
    out.forget_silent(2.0 + AGENT_GONE_AFTER_S)
    out.put(record("a"))
    await out.close()
    assert room.sent == [("a", "masked", ("agent0",))]


def test_requests_prove_themselves() -> None:
    """Only who knows the secret can ask, for this call."""
    asked = subscription(identity="analyst", room_sid="RM_1", secret=SECRET)
    assert subscriber_in(asked, room_sid="RM_1", secret=SECRET) == "analyst"
    assert subscriber_in(asked, room_sid="RM_2", secret=SECRET) is None
    assert subscriber_in(asked, room_sid="RM_1", secret=OTHER_SECRET) is None
    assert subscriber_in(asked, room_sid="RM_1", secret=None) is None
    assert subscriber_in(b"[]", room_sid="RM_1", secret=SECRET) is None
    empty = subscription(identity="", room_sid="RM_1", secret=SECRET)
    assert subscriber_in(empty, room_sid="RM_1", secret=SECRET) is None


async def test_a_closed_room_is_counted() -> None:
    """What cannot be sent is counted and raises nothing."""
    room = Room(fails=True)
    out = supervisors(room, RecordBuffer())
    out.joined("sue")
    out.put(record("a"))
    await out.close()
    assert (out.n_forwarded, out.n_lost) == (0, 1)


class Stuck(QueuedForwarder[Record]):
    """A receiver that never answers."""

    async def deliver(self, items: Sequence[Record]) -> bool:
        """Wait for ever."""
        await asyncio.Event().wait()
        return True


async def test_a_stuck_receiver_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is bounded, and the end of the call does not wait for it."""
    monkeypatch.setattr("realtime.forwarders.forwarder._CLOSE_TIMEOUT_S", 0.05)
    out = Stuck(name="stuck", room_sid="RM_1", max_batch=1, max_waiting=3)
    out.start()
    out.enqueue(record("a"))
    await asyncio.sleep(0)
    for id_ in "bcdef":
        out.enqueue(record(id_))
    await out.close()
    assert out.n_lost == 5


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return open_database(f"sqlite:///{tmp_path / 'e.db'}")


async def test_database(database: Database) -> None:
    """Rows are masked, bounded a call, and deleted when their time is over."""
    out = DatabaseForwarder(database, room_sid="RM_1", max_rows=2)
    out.start()
    for id_ in "abc":
        out.put(record(id_, sentiment=0.5))
    await out.close()
    assert out.n_lost == 1
    with database.begin() as connection:
        rows = records_of(connection, "RM_1")
        assert [row.id for row in rows] == ["a", "b"]
        assert rows[0].content == "my •••••• is out"
        assert rows[0].metadata == {"sentiment": 0.5}
        made_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert delete_records_before(connection, made_at) == 0
        assert delete_records_before(connection, made_at + timedelta(seconds=1)) == 2
    database.close()


HERE = Guard(Allowed.parse(["127.0.0.1"]))  # where the tests' receivers listen


@pytest.mark.parametrize(
    ("statuses", "n_requests", "n_lost"),
    [
        pytest.param([], 1, 0, id="taken"),
        pytest.param([500, 503], 3, 0, id="taken-at-last"),
        pytest.param([500] * 9, 3, 2, id="given-up"),
        pytest.param([410], 1, 2, id="gone"),
    ],
)
async def test_webhook(statuses: list[int], n_requests: int, n_lost: int) -> None:
    """A batch is posted under one id, signed and masked, until it is taken or given up."""
    with running_webhook_receiver(SECRET, statuses) as receiver:
        out = RecordWebhook(
            url=receiver.url, secret=SECRET, room_sid="RM_1", guard=HERE,
            retry_delays_s=(0.01, 0.01),
        )  # fmt: skip
        out.start()
        out.put(record("a"))
        out.put(record("b"))
        await out.close()
    assert [hook.authentic for hook in receiver.received] == [True] * n_requests
    assert len({hook.id for hook in receiver.received}) == 1
    payload = receiver.received[0].payload
    assert (payload["type"], payload["room_sid"]) == (TOPIC, "RM_1")
    assert "secret" not in str(payload)
    assert out.n_lost == n_lost


async def test_webhook_that_is_away() -> None:
    """An address where nobody listens is counted and raises nothing."""
    out = RecordWebhook(
        url="http://127.0.0.1:1/", secret=None, room_sid="RM_1", guard=HERE,
        retry_delays_s=(0.01,),
    )  # fmt: skip
    out.start()
    out.put(record("a"))
    await out.close()
    assert out.n_lost == 1


@pytest.mark.parametrize(
    "resolved",
    [
        pytest.param("127.0.0.1", id="this-machine"),
        pytest.param("169.254.169.254", id="a-cloud's-metadata"),
        pytest.param("203.0.113.7", id="without-tls"),
    ],
)
async def test_webhook_that_may_not_be_reached(
    resolved: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Records go to no address that alerts may not go to; it is not tried again, and it is said."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return [resolved]

    with running_webhook_receiver(SECRET) as receiver:
        port = receiver.url.rsplit(":", 1)[1].strip("/")
        out = RecordWebhook(
            url=f"http://records.example.com:{port}/", secret=SECRET, room_sid="RM_1",
            guard=Guard(resolve=resolve), retry_delays_s=(60.0,),
        )  # fmt: skip
        out.start()
        out.put(record("a"))
        await out.close()
    assert receiver.received == []
    assert (out.n_forwarded, out.n_lost) == (0, 1)
    (said, _) = caplog.records
    assert (said.message, said.__dict__["reason"]) == (
        "records cannot be forwarded",
        "TargetRefusedError",
    )


async def test_webhook_follows_no_redirect() -> None:
    """An answer that points elsewhere is no delivery: what was checked must stay the target."""
    with (
        running_webhook_receiver(SECRET) as elsewhere,
        running_webhook_receiver(
            SECRET, statuses=[302], headers={"location": elsewhere.url}
        ) as receiver,
    ):
        out = RecordWebhook(
            url=receiver.url, secret=SECRET, room_sid="RM_1", guard=HERE, retry_delays_s=()
        )
        out.start()
        out.put(record("a"))
        await out.close()
    assert (len(receiver.received), elsewhere.received) == (1, [])
    assert out.n_lost == 1
