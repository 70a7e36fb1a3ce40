"""A call that Egress records, on real servers: from the request to what the audit makes of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import httpx
import pytest
from livekit import api, rtc

from earmark.demo_call import Access, Caller
from earmark.observer_process import running_observer
from realtime.dispatch import dispatch, livekit_api
from rules.types import Role
from speech.audio import decode
from storage import egress_claims, egresses, recordings
from storage.database import open_database
from storage.egress_claims import EgressClaim
from storage.egresses import Egress, EgressStatus
from storage.manifest import Recording
from storage.objects import ObjectStore, open_objects
from tests.realtime.builders import DEMO_AUDIO
from tests.servers.egress import ABORTED_TRACK
from tests.servers.recording import RecordingStack, running_receiver, running_stack
from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.livekit, pytest.mark.s3, pytest.mark.model, pytest.mark.slow]

ROOM, CUSTOMER, SILENT = "ward-seven-egress", "carl-the-customer", "quentin-the-quiet"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one call left behind."""

    stack: RecordingStack
    room_sid: str
    egresses: tuple[Egress, ...]
    claims: tuple[EgressClaim, ...]
    recordings: tuple[Recording, ...]
    webhooks: dict[str, int]
    logs: str


@pytest.fixture(scope="module")
def outcome(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """A customer speaks; of somebody else's track, Egress gets nothing."""
    folder = tmp_path_factory.mktemp("egress")
    with running_stack(s3_server, folder, webhooks=True) as stack:
        environment = stack.environment()
        receiver_log, observer_log = folder / "webhooks.log", folder / "observer.log"
        with (
            running_receiver(environment, stack.webhook_port, receiver_log) as url,
            running_observer(environment, observer_log),
        ):
            room_sid = asyncio.run(_call(stack))
            counts = httpx.get(url).json()
        database = open_database(stack.database_url)
        with database.begin() as connection:
            found = Outcome(
                stack=stack,
                room_sid=room_sid,
                egresses=egresses.egresses_of(connection, room_sid),
                claims=egress_claims.claims_of(connection, room_sid),
                recordings=recordings.recordings_of(connection, room_sid),
                webhooks=counts,
                logs=receiver_log.read_text() + observer_log.read_text(),
            )
        database.close()
        yield found


async def _call(stack: RecordingStack) -> str:
    livekit = stack.livekit
    access = Access(url=livekit.url, api_key=livekit.api_key, api_secret=livekit.api_secret)
    customer = Caller(access, ROOM, CUSTOMER, Role.CUSTOMER)
    silent = Caller(access, ROOM, SILENT, Role.AGENT)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=ROOM))
        await dispatch(client, ROOM)
        for caller in (customer, silent):
            await caller.join()
        await customer.publish()
        nothing = rtc.AudioSource(48_000, 1)
        await silent.room.local_participant.publish_track(
            rtc.LocalAudioTrack.create_audio_track(ABORTED_TRACK, nothing)
        )
        await customer.speak(decode(DEMO_AUDIO / "customer.ogg").samples[0])
        await asyncio.sleep(0.5)
        for caller in (customer, silent):
            await caller.leave()
        await _until_ended(stack, room.sid)
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))
    await asyncio.sleep(2)  # the observer's last rows
    return room.sid


async def _until_ended(stack: RecordingStack, room_sid: str) -> None:
    database = open_database(stack.database_url)
    try:
        async with asyncio.timeout(60):
            while True:
                with database.begin(read_only=True) as connection:
                    found = egresses.egresses_of(connection, room_sid)
                if len(found) == 2 and all(egress.status.is_final for egress in found):
                    return
                await asyncio.sleep(0.2)
    finally:
        database.close()


def objects_of(outcome: Outcome) -> ObjectStore:
    """The bucket."""
    return open_objects(outcome.stack.s3.url, s3_endpoint_url=outcome.stack.s3.endpoint_url)


def test_each_track_has_one_egress(outcome: Outcome) -> None:
    """Both tracks were claimed and asked for once; the one that gave nothing was aborted."""
    by_identity = {claim.identity: claim for claim in outcome.claims}
    assert set(by_identity) == {CUSTOMER, SILENT}
    assert [claim.attempts for claim in outcome.claims] == [1, 1]
    status = {egress.track_id: egress.status for egress in outcome.egresses}
    assert status == {
        by_identity[CUSTOMER].track_id: EgressStatus.COMPLETE,
        by_identity[SILENT].track_id: EgressStatus.ABORTED,
    }
    assert {claim.egress_id for claim in outcome.claims} == {e.egress_id for e in outcome.egresses}


@pytest.fixture
def recording(outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The only recording, and the account to read it."""
    for name, value in outcome.stack.s3.environment().items():
        monkeypatch.setenv(name, value)
    (found,) = outcome.recordings
    return found


def test_recording_is_where_the_audit_looks(outcome: Outcome, recording: Recording) -> None:
    """File and manifest lie under the day and the ids, and the row has the file's own time."""
    day = recording.started_at.date().isoformat()
    track_id = recording.track_id
    assert recording.object_key == f"recordings/{day}/{outcome.room_sid}/{track_id}.ogg"
    assert recording.identity == CUSTOMER
    assert recording.recorder == "egress"
    store = objects_of(outcome)
    (egress,) = [each for each in outcome.egresses if each.track_id == track_id]
    info = store.head(recording.object_key)
    assert info is not None
    assert egress.size_bytes == info.size_bytes
    manifest = json.loads(
        store.get_bytes(f"recordings/{day}/{outcome.room_sid}/{egress.egress_id}.json")
    )
    # The manifest's time is the egress's, which is earlier.
    assert recording.started_at.timestamp() > manifest["started_at"] / 1e9


def test_webhooks_were_taken_in(outcome: Outcome) -> None:
    """LiveKit's own webhooks are authentic to us; none is refused."""
    assert outcome.webhooks["taken_in"] >= 6
    assert not [name for name in outcome.webhooks if name.startswith("refused")]


def test_audit_reads_it_and_names_what_is_missing(outcome: Outcome, recording: Recording) -> None:
    """The card number is found in Egress's file, and the aborted track is a finding of its own."""
    done = _run(outcome, "audit", "--call", outcome.room_sid, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [line for line in lines if line["type"] == "finding"]
    assert {line["rule"] for line in found if line.get("kind") == "rule"} >= {"pii.card-number"}
    coverage = {
        line["detail"]: line
        for line in found
        # A busy machine drops audio live, which the recording has.
        if line.get("kind") == "coverage" and not line["harmless"]
    }
    assert set(coverage) == {"egress_aborted"}
    assert coverage["egress_aborted"]["speaker"] == SILENT


def test_file_that_is_deleted(outcome: Outcome, recording: Recording) -> None:
    """A recording that is gone from S3 is named, by the lister and by the audit."""
    store = objects_of(outcome)
    kept = store.get_bytes(recording.object_key)
    client = boto3.client("s3", endpoint_url=outcome.stack.s3.endpoint_url)
    client.delete_object(Bucket=outcome.stack.s3.bucket, Key=recording.object_key)
    try:
        done = _run(outcome, "recordings", "reconcile", "--json")
        problems = {
            line["track_id"]: line["problem"]
            for line in map(json.loads, done.stdout.splitlines())
            if line["type"] == "finding" and line.get("room_sid") == outcome.room_sid
        }
        assert problems[recording.track_id] == "missing"
        audited = _run(outcome, "audit", "--call", outcome.room_sid, "--json")
        details = {line.get("detail") for line in map(json.loads, audited.stdout.splitlines())}
        assert {"object_missing", "egress_aborted"} <= details
    finally:
        store.put_bytes(recording.object_key, kept, content_type="audio/ogg")


def test_logs_hold_no_personal_data(outcome: Outcome) -> None:
    """Neither names nor the room's name are in what receiver and observer logged."""
    logs = outcome.logs.lower()
    assert '"a track is being recorded"' in logs
    for private in (CUSTOMER, SILENT, ROOM):
        assert private not in logs


def _run(outcome: Outcome, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "earmark", *arguments],
        env=outcome.stack.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done
