"""Recording by Egress, on real servers, without a recogniser: once a track, never in silence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import numpy as np
import pytest
from livekit import api, rtc

from earmark.demo_call import Access, Caller
from realtime.clock import CallClock
from realtime.dispatch import dispatch, livekit_api
from realtime.egress import EgressControl
from realtime.egress_requests import EgressOptions, S3Account
from realtime.errors import DispatchError
from realtime.ledger import CallLedger
from realtime.lister import Lister, Oddity, Problem, ask_server
from rules.types import Role
from storage import egress_claims, egresses, recordings
from storage.database import Database, open_database
from storage.egresses import Egress, EgressStatus
from storage.gaps import GapKind, gaps_of
from storage.objects import ObjectStore, open_objects
from tests.servers.egress import ABORTED_TRACK
from tests.servers.recording import RecordingStack, running_stack
from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.livekit, pytest.mark.s3]

IDENTITY = "ann"
SOUND = np.random.default_rng(1).normal(0, 0.05, 16_000).astype(np.float32)


@pytest.fixture(scope="module")
def stack(
    s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RecordingStack]:
    """All servers; no webhook ever arrives."""
    with running_stack(s3_server, tmp_path_factory.mktemp("egress"), webhooks=False) as running:
        yield running


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database of our own."""
    opened = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    yield opened
    opened.close()


@pytest.fixture
def objects(stack: RecordingStack, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The bucket that the peer writes to."""
    for name, value in stack.s3.environment().items():
        monkeypatch.setenv(name, value)
    return open_objects(stack.s3.url, s3_endpoint_url=stack.s3.endpoint_url)


@dataclass(kw_only=True)
class OneRoom:
    """A room with one person in it, as an observer's process has it."""

    stack: RecordingStack
    database: Database
    client: api.LiveKitAPI
    info: api.Room
    caller: Caller
    ledger: CallLedger

    def control(
        self,
        options: EgressOptions = EgressOptions(),  # noqa: B008
        *,
        room: rtc.Room | None = None,
        room_name: str | None = None,
    ) -> EgressControl:
        """An observer's hand on Egress, by default on a connection that is never used."""
        livekit = self.stack.livekit
        return EgressControl(
            api_factory=lambda: livekit_api(livekit.url, livekit.api_key, livekit.api_secret),
            room=room or rtc.Room(),
            room_sid=self.info.sid,
            room_name=room_name or self.info.name,
            clock=CallClock.start(datetime.now(UTC)),
            database=self.database,
            ledger=self.ledger,
            options=options,
            own_prefix="earmark-",
        )

    async def publish(self, name: str | None = None) -> str:
        """Open the microphone, or publish a track of this name that gives nothing.

        Returns:
            The track's id.
        """
        participant = self.caller.room.local_participant
        if name is None:
            await self.caller.publish()
        else:
            source = rtc.AudioSource(48_000, 1)
            await participant.publish_track(rtc.LocalAudioTrack.create_audio_track(name, source))
        return next(iter(participant.track_publications))

    async def record(self, options: EgressOptions = EgressOptions()) -> str:  # noqa: B008
        """Have a second of speech recorded, and the caller leave.

        Returns:
            The track's id.
        """
        track_id = await self.publish()
        await self.control(options).have_recorded(track_id, IDENTITY)
        await self.say()
        return track_id

    async def say(self) -> None:
        """Speak for a second, leave, and wait until all recordings are over."""
        async with asyncio.timeout(20):
            while not any(info.file_results for info in await self.listed()):
                await asyncio.sleep(0.1)
        await self.caller.speak(SOUND)
        await self.caller.leave()
        await self.all_ended()

    async def listed(self) -> list[api.EgressInfo]:
        """What the server knows of the room's recordings."""
        found = await self.client.egress.list_egress(
            api.ListEgressRequest(room_name=self.info.name)
        )
        return list(found.items)

    async def all_ended(self) -> None:
        """Wait until every recording of the room is over."""
        async with asyncio.timeout(30):
            while any(
                info.status < api.EgressStatus.EGRESS_COMPLETE for info in await self.listed()
            ):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def one_room(
    stack: RecordingStack, database: Database, name: str, **create: object
) -> AsyncIterator[OneRoom]:
    """A room of its own with somebody in it."""
    livekit = stack.livekit
    access = Access(url=livekit.url, api_key=livekit.api_key, api_secret=livekit.api_secret)
    caller = Caller(access, name, IDENTITY, Role.CUSTOMER)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        info = await client.room.create_room(api.CreateRoomRequest(name=name, **create))  # type: ignore[arg-type]
        ledger = CallLedger(
            database=database, room_sid=info.sid, room_name=name,
            call_started_at=datetime.now(UTC), rulebook_fingerprint="f", source="livekit",
        )  # fmt: skip
        ledger.start()
        await caller.join()
        try:
            yield OneRoom(
                stack=stack, database=database, client=client, info=info, caller=caller,
                ledger=ledger,
            )  # fmt: skip
        finally:
            await caller.leave()
            await ledger.close()


def look(
    of: OneRoom, objects: ObjectStore, *, verify: bool = False, settle_s: float = 0.0
) -> Awaitable[tuple[Oddity, ...]]:
    """What the lister says of the room."""

    async def ask() -> tuple[Oddity, ...]:
        server = await ask_server(of.client)
        lister = Lister(of.database, objects, EgressOptions(), settle_s=settle_s)
        since = datetime.now(UTC) - timedelta(minutes=10)
        listed = await asyncio.to_thread(lister.look, server, since=since, verify=verify)
        return tuple(oddity for oddity in listed.oddities if oddity.room_sid == of.info.sid)

    return ask()


async def test_same_track_announced_twice(stack: RecordingStack, database: Database) -> None:
    """Two announcements, two observers at once, and one that starts anew: one recording."""
    async with one_room(stack, database, "twice") as room:
        track_id = await room.publish()
        first, second = room.control(), room.control()
        await asyncio.gather(
            first.have_recorded(track_id, IDENTITY), first.have_recorded(track_id, IDENTITY)
        )
        await second.have_recorded(track_id, IDENTITY)
        assert len(await room.listed()) == 1
    with database.begin() as connection:
        (claim,) = egress_claims.claims_of(connection, room.info.sid)
    assert claim.attempts == 1
    assert claim.egress_id is not None


async def test_tracks_are_found_and_announced(stack: RecordingStack, database: Database) -> None:
    """A track that was there before the observer, and one that comes after it, each once."""
    async with one_room(stack, database, "announced") as room:
        await room.publish()
        livekit = stack.livekit
        access = Access(url=livekit.url, api_key=livekit.api_key, api_secret=livekit.api_secret)
        observer = rtc.Room()
        control = room.control(room=observer)
        control.attach()
        await observer.connect(access.url, access.token("announced", "observer", Role.AGENT))
        control.begin()
        control.begin()  # as after a reconnect
        await room.publish("second")
        async with asyncio.timeout(20):
            while len(await room.listed()) < 2:
                await asyncio.sleep(0.1)
        await control.close()
        await observer.disconnect()
        tracks = [info.track.track_id for info in await room.listed()]
        assert sorted(tracks) == sorted(room.caller.room.local_participant.track_publications)


async def test_observer_dies_between_request_and_answer(
    stack: RecordingStack, database: Database
) -> None:
    """The next observer takes the claim over, finds that the request got through, asks no more."""
    async with one_room(stack, database, "died") as room:
        track_id = await room.publish()
        with database.begin() as connection:
            egress_claims.claim_track(
                connection, room_sid=room.info.sid, track_id=track_id, room_name="died",
                identity=IDENTITY, now=datetime.now(UTC) - timedelta(hours=1),
            )  # fmt: skip
        request = EgressOptions().track_request(
            room_name="died", track_id=track_id, day=datetime.now(UTC).date(), number=1
        )
        info = await room.client.egress.start_track_egress(request)
        await room.control().have_recorded(track_id, IDENTITY)
        assert [listed.egress_id for listed in await room.listed()] == [info.egress_id]
    with database.begin() as connection:
        (claim,) = egress_claims.claims_of(connection, room.info.sid)
    assert claim.egress_id == info.egress_id


async def test_webhook_that_never_came(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """The lister makes the row that `egress_ended` would have made, with the file's own time."""
    async with one_room(stack, database, "lost-webhook") as room:
        track_id = await room.record()
        (info,) = await room.listed()
        with database.begin() as connection:
            assert recordings.recordings_of(connection, room.info.sid) == ()
        assert await look(room, objects) == ()
    with database.begin() as connection:
        (recording,) = recordings.recordings_of(connection, room.info.sid)
        (egress,) = egresses.egresses_of(connection, room.info.sid)
    assert (recording.track_id, recording.identity) == (track_id, IDENTITY)
    file = info.file_results[0]
    assert recording.started_at.timestamp() == pytest.approx(file.started_at / 1e9, abs=1e-5)
    assert recording.duration_s == pytest.approx(file.duration / 1e9)
    assert (egress.status, egress.size_bytes) == (EgressStatus.COMPLETE, file.size)


async def test_aborted_egress(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """A recording that ended before it began is named, with Egress's code."""
    async with one_room(stack, database, "aborted") as room:
        track_id = await room.publish(ABORTED_TRACK)
        await room.control().have_recorded(track_id, IDENTITY)
        await room.all_ended()
        (oddity,) = await look(room, objects)
    assert (oddity.problem, oddity.track_id, oddity.detail) == (Problem.ABORTED, track_id, "412")


async def test_egress_that_falls_silent(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """An egress that never ended, of a room that did, is lost; while the room lasts it is not."""
    async with one_room(stack, database, "silent") as room:
        lost = Egress(
            egress_id="EG_gone", room_sid=room.info.sid, room_name="silent", track_id="TR_gone",
            status=EgressStatus.ACTIVE, updated_at=datetime.now(UTC) - timedelta(minutes=5),
        )  # fmt: skip
        with database.begin() as connection:
            egresses.save_egress(connection, lost)
        assert await look(room, objects) == ()
        await room.client.room.delete_room(api.DeleteRoomRequest(room="silent"))
        assert await look(room, objects, settle_s=3600) == ()
        (oddity,) = await look(room, objects)
        assert (oddity.problem, oddity.egress_id) == (Problem.LOST, "EG_gone")
        (again,) = await look(room, objects)
        assert again == oddity


@pytest.mark.parametrize("harm", ["missing", "size_differs", "sha256_differs"])
async def test_file_that_is_not_what_was_written(
    stack: RecordingStack, database: Database, objects: ObjectStore, harm: str
) -> None:
    """A file that is gone, shorter, or another one of the same size, is named."""
    async with one_room(stack, database, f"harm-{harm}") as room:
        await room.record()
        assert await look(room, objects, verify=True) == ()
        with database.begin() as connection:
            (recording,) = recordings.recordings_of(connection, room.info.sid)
        assert recording.sha256 is not None  # kept by the first look that read the file
        whole = objects.get_bytes(recording.object_key)
        if harm == "missing":
            boto3.client("s3", endpoint_url=stack.s3.endpoint_url).delete_object(
                Bucket=stack.s3.bucket, Key=recording.object_key
            )
        else:
            other = whole[:-100] if harm == "size_differs" else whole[:-1] + b"?"
            objects.put_bytes(recording.object_key, other, content_type="audio/ogg")
        (oddity,) = await look(room, objects, verify=True)
        assert (oddity.problem, oddity.object_key) == (harm, recording.object_key)
        objects.put_bytes(recording.object_key, whole, content_type="audio/ogg")
        assert await look(room, objects, verify=True) == ()


async def test_manifest_alone(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """Where neither webhook nor server remembers, the manifest makes the row."""
    async with one_room(stack, database, "manifest") as room:
        await room.record()
        (info,) = await room.listed()
        lister = Lister(database, objects, EgressOptions(), settle_s=0.0)
        since = datetime.now(UTC) - timedelta(minutes=10)
        prefix = f"recordings/{datetime.now(UTC).date().isoformat()}/{room.info.sid}/"
        objects.put_bytes(f"{prefix}stray.ogg", b"?", content_type="audio/ogg")
        await asyncio.sleep(1.1)  # S3 tells times in whole seconds
        listed = await asyncio.to_thread(lister.look, None, since=since)
    with database.begin() as connection:
        (recording,) = recordings.recordings_of(connection, room.info.sid)
    assert recording.identity == IDENTITY
    assert recording.egress_id == info.egress_id
    orphans = [
        oddity.object_key
        for oddity in listed.oddities
        if oddity.problem is Problem.ORPHAN and str(oddity.object_key).startswith(prefix)
    ]
    assert orphans == [f"{prefix}stray.ogg"]


async def test_room_that_records_itself(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """With automatic egress LiveKit starts the recording, and the observer adopts it."""
    options = EgressOptions(is_auto=True)
    room_egress = options.room_egress(datetime.now(UTC).date())
    async with one_room(stack, database, "auto", egress=room_egress) as room:
        track_id = await room.record(options)
        (info,) = await room.listed()
        assert info.track.track_id == track_id
        assert await look(room, objects) == ()
    with database.begin() as connection:
        (claim,) = egress_claims.claims_of(connection, room.info.sid)
        (recording,) = recordings.recordings_of(connection, room.info.sid)
    assert (claim.attempts, claim.egress_id) == (0, info.egress_id)
    assert recording.identity == IDENTITY


async def test_request_that_carries_an_account(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """With an account in the request the file goes where it says; the server shows no secret."""
    stack.s3.make_bucket("elsewhere")
    account = S3Account(
        access_key=stack.s3.access_key, secret=stack.s3.secret_key, session_token=None,
        region="us-east-1", endpoint_url=stack.s3.endpoint_url, bucket="elsewhere",
    )  # fmt: skip
    options = EgressOptions(prefix="calls", account=account)
    async with one_room(stack, database, "account") as room:
        track_id = await room.record(options)
        (info,) = await room.listed()
    assert stack.s3.secret_key not in str(info)
    day = datetime.now(UTC).date().isoformat()
    key = f"recordings/{day}/{room.info.sid}/{track_id}.ogg"
    elsewhere = open_objects("s3://elsewhere/calls", s3_endpoint_url=stack.s3.endpoint_url)
    assert elsewhere.head(key) is not None
    assert options.object_key(info.file_results[0].filename) == key
    assert EgressOptions(prefix="other").object_key(info.file_results[0].filename) is None


async def test_no_egress_takes_it(
    stack: RecordingStack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing records, a claim and a gap say so, and asking ends."""
    monkeypatch.setattr("realtime.egress._RETRY_DELAYS_S", (0.1, 0.1))
    async with one_room(stack, database, "nobody") as room:
        # A track that is not there: LiveKit knows no such room for it.
        control = room.control(room_name="no-such-room")
        await control.have_recorded("TR_none", IDENTITY)
        await control.have_recorded("TR_none", IDENTITY)
    with database.begin() as connection:
        (claim,) = egress_claims.claims_of(connection, room.info.sid)
        (gap,) = gaps_of(connection, room.info.sid)
    assert claim.attempts == 2
    assert (claim.reason, claim.egress_id) == ("not_found", None)
    assert (gap.kind, gap.identity, gap.detail) == (
        GapKind.NOT_RECORDED, IDENTITY, "TR_none: not_found",
    )  # fmt: skip


async def test_dispatch_makes_rooms_that_record_themselves(
    stack: RecordingStack, database: Database, objects: ObjectStore
) -> None:
    """A room that a dispatch creates has its tracks recorded, even if no observer comes."""
    livekit, day = stack.livekit, datetime.now(UTC).date()
    async with livekit_api(livekit.url, livekit.api_key, livekit.api_secret) as client:
        with pytest.raises(DispatchError):
            await dispatch(
                client, "by-dispatch", wait_s=0.1, n_tries=1,
                room_egress=EgressOptions().room_egress(day),
            )  # fmt: skip
    async with one_room(stack, database, "by-dispatch") as room:
        track_id = await room.publish()
        await room.say()
        assert await look(room, objects) == ()
    with database.begin() as connection:
        (recording,) = recordings.recordings_of(connection, room.info.sid)
    assert (recording.track_id, recording.identity) == (track_id, IDENTITY)
