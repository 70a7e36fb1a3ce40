"""The main job on real servers: LiveKit, S3, a webhook receiver, two callers and a supervisor."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from livekit import api, rtc

from earmark.demo_call import Access, Caller, ReceivedAlert, SupervisorClient
from earmark.observer_process import running_observer
from realtime.alerts import ALERT, UPDATE
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from realtime.identity import AGENT_NAME
from rules.types import Role
from speech.audio import decode
from storage import calls, hits, recordings
from storage.database import open_database
from tests.realtime.builders import DEMO_AUDIO, SECRET, access_to, worker_environment
from tests.servers.s3 import S3Server
from tests.servers.webhooks import ReceivedWebhook, running_webhook_receiver

pytestmark = [pytest.mark.livekit, pytest.mark.s3, pytest.mark.model, pytest.mark.slow]

ROOM = "ward-seven-room"
AGENT, CUSTOMER, SUPERVISOR = "agnes-the-agent", "carl-the-customer", "sue-the-supervisor"
WEBHOOK_SECRET = "whsec_" + "d2ViaG9vay13ZWJob29rLXdlYmhvb2s="


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one observed call left behind."""

    environment: dict[str, str]
    data_dir: Path
    room_sid: str
    seen_by_customer: frozenset[str]
    listed_by_server: frozenset[str]
    messages_to_customer: int
    alerts: tuple[ReceivedAlert, ...]
    n_while_speaking: int  # how many of them came before the last word
    webhooks: tuple[ReceivedWebhook, ...]
    log_path: Path


@pytest.fixture(scope="module")
def outcome(
    livekit_server: DevServer, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    """One call, heard from its first word to its recordings in S3."""
    folder = tmp_path_factory.mktemp("end-to-end")
    with running_webhook_receiver(WEBHOOK_SECRET) as receiver:
        environment = (
            worker_environment(livekit_server, folder)
            | s3_server.environment()
            | {
                "EARMARK_WEBHOOK_URL": receiver.url,
                "EARMARK_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "EARMARK_ALLOW_PRIVATE_TARGETS": "127.0.0.1",
            }
        )
        access = access_to(livekit_server)
        log_path = folder / "observer.log"
        with running_observer(environment, log_path):
            yield asyncio.run(_call(access, environment, folder, log_path, receiver.received))


async def _call(
    access: Access,
    environment: dict[str, str],
    folder: Path,
    log_path: Path,
    webhooks: list[ReceivedWebhook],
) -> Outcome:
    alerts: list[ReceivedAlert] = []
    overheard: list[rtc.DataPacket] = []
    agent = Caller(access, ROOM, AGENT, Role.AGENT)
    customer = Caller(access, ROOM, CUSTOMER, Role.CUSTOMER)
    customer.room.on("data_received", overheard.append)
    supervisor = SupervisorClient(access, ROOM, SUPERVISOR, secret=SECRET, on_alert=alerts.append)
    sound = {name: decode(DEMO_AUDIO / f"{name}.ogg").samples[0] for name in ("agent", "customer")}
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=ROOM))
        assert not (await dispatch(client, ROOM)).already_there
        for caller in (agent, customer, supervisor):
            await caller.join()
        assert (await dispatch(client, ROOM)).already_there  # a second one sends nobody
        for caller in (agent, customer):
            await caller.publish()
        await asyncio.gather(agent.speak(sound["agent"]), customer.speak(sound["customer"]))
        n_while_speaking = len(alerts)
        await asyncio.sleep(4)
        listed = await client.room.list_participants(api.ListParticipantsRequest(room=ROOM))
        seen = frozenset(customer.room.remote_participants)
        for caller in (agent, customer, supervisor):
            await caller.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))
    await _until_ended(folder, room.sid)
    await asyncio.sleep(1)  # webhooks of the last alerts
    return Outcome(
        environment=environment,
        data_dir=folder,
        room_sid=room.sid,
        seen_by_customer=seen,
        listed_by_server=frozenset(participant.identity for participant in listed.participants),
        messages_to_customer=len(overheard),
        alerts=tuple(alerts),
        n_while_speaking=n_while_speaking,
        webhooks=tuple(webhooks),
        log_path=log_path,
    )


async def _until_ended(folder: Path, room_sid: str) -> None:
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    try:
        async with asyncio.timeout(90):
            while True:
                with database.begin() as connection:
                    call = calls.get_call(connection, room_sid)
                if call is not None and call.ended_at is not None:
                    return
                await asyncio.sleep(0.2)
    finally:
        database.close()


def test_observer_is_invisible_to_callers(outcome: Outcome) -> None:
    """The callers see everybody but the observer; only the server's own list has it."""
    assert outcome.seen_by_customer == {AGENT, SUPERVISOR}
    observers = {name for name in outcome.listed_by_server if name.startswith(AGENT_NAME)}
    assert len(observers) == 1


def test_alerts_reach_the_supervisor_alone(outcome: Outcome) -> None:
    """Card number, promise and missing notice are raised, signed, once each, to the supervisor."""
    assert all(alert.authentic for alert in outcome.alerts)
    rules = [str(alert.payload["rule"]) for alert in outcome.alerts]
    assert {"pii.card-number", "disclosure.recording-notice"} <= set(rules)
    assert any(rule.startswith("conduct.") for rule in rules)
    ids = [alert.payload["hit_id"] for alert in outcome.alerts if alert.payload["type"] == ALERT]
    assert len(ids) == len(set(ids))
    assert outcome.messages_to_customer == 0


def test_alerts_come_while_people_speak(outcome: Outcome) -> None:
    """The missing notice is told when its time is over, not when the call is."""
    early = [alert.payload["rule"] for alert in outcome.alerts[: outcome.n_while_speaking]]
    assert "disclosure.recording-notice" in early
    assert "conduct.promissory-claim" in early


def test_alerts_come_before_the_sentence_ends(outcome: Outcome) -> None:
    """Something in mid-sentence is raised as provisional, and confirmed under the same id."""
    told: dict[object, list[tuple[object, object]]] = {}
    for alert in outcome.alerts:
        payload = alert.payload
        told.setdefault(payload["hit_id"], []).append((payload["type"], payload["state"]))
    assert [(ALERT, "provisional"), (UPDATE, "confirmed")] in told.values()


def test_webhooks_are_signed_and_complete(outcome: Outcome) -> None:
    """Every alert and what was taken back is posted once, with a signature that fits."""
    assert all(webhook.authentic for webhook in outcome.webhooks)
    posted = sorted(
        (str(webhook.payload["hit_id"]), str(webhook.payload["type"]))
        for webhook in outcome.webhooks
    )
    assert posted == sorted(
        (str(alert.payload["hit_id"]), str(alert.payload["type"]))
        for alert in outcome.alerts
        if alert.payload["type"] == ALERT or alert.payload["state"] == "retracted"
    )


def test_rows_are_written(outcome: Outcome) -> None:
    """Hits and recordings of the call are in the database."""
    database = open_database(f"sqlite:///{outcome.data_dir / 'earmark.db'}")
    with database.begin() as connection:
        stored = hits.hits_of(connection, outcome.room_sid)
        recorded = recordings.recordings_of(connection, outcome.room_sid)
    database.close()
    assert {hit.id for hit in stored} == {str(a.payload["hit_id"]) for a in outcome.alerts}
    assert {recording.identity for recording in recorded} == {AGENT, CUSTOMER}


def test_audit_reads_the_recordings_from_s3(outcome: Outcome) -> None:
    """The audit confirms the card number and writes the report; a second run does nothing twice."""
    first = _audit(outcome)
    findings = [line for line in first if line["type"] == "finding"]
    card = [line for line in findings if line.get("rule") == "pii.card-number"]
    assert card
    assert card[0]["speaker"] == CUSTOMER
    assert not [line for line in findings if line.get("kind") == "coverage"]
    (report,) = (line for line in first if line["type"] == "report")
    (again,) = (line for line in _audit(outcome) if line["type"] == "report")
    assert again["json"] == report["json"]
    assert again["already_audited"] is True


def _audit(outcome: Outcome) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "earmark", "audit", "--call", outcome.room_sid, "--json"],
        env=outcome.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_log_holds_no_personal_data(outcome: Outcome) -> None:
    """Neither what was said nor who said it nor the room's name is in the worker's log."""
    log = outcome.log_path.read_text(errors="replace").lower()
    assert '"observing"' in log  # the log was written at all
    for private in (AGENT, CUSTOMER, SUPERVISOR, ROOM, "guaranteed", "4539", "6467"):
        assert private not in log
