"""Records on a real LiveKit server: voices, programs that write, a telephone, supervisors."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from livekit import api, rtc

from earmark.demo_call import Access, Caller
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from rules.types import Role
from speech.audio import SAMPLE_RATE_HZ, decode
from storage import calls, hits
from storage.database import open_database
from storage.records import StoredRecord, records_of
from tests.realtime.builders import DEMO_AUDIO, SECRET, access_to, worker_environment
from tests.realtime.people import Guest
from tests.servers.webhooks import ReceivedWebhook, running_webhook_receiver

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]

ROOM, WALLBOARD = "ward-nine-room", "wallboard-room"
AGENT, CUSTOMER, PHONE = "agnes-the-agent", "carl-the-customer", "sip_+15550199123"
CHATBOT, HELPER = "chatty-the-bot", "helga-the-helper"
SUPERVISOR, LATE, FAR = "sue-the-supervisor", "sam-the-latecomer", "fay-from-afar"
WEBHOOK_SECRET = "whsec_" + "d2ViaG9vay13ZWJob29rLXdlYmhvb2s="
CARD = "4539 1488 0343 6467"
KEYS = "4539148803436467"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one observed call left behind."""

    supervisor: Guest
    latecomer: Guest
    far: Guest
    listeners: tuple[Guest, ...]  # who must get nothing
    n_to_voices: int
    n_far_bystander: int
    stored: tuple[StoredRecord, ...]
    hits: tuple[tuple[str, str | None], ...]  # rule, speaker
    webhooks: tuple[ReceivedWebhook, ...]
    sids: Mapping[str, str]
    log: str


@pytest.fixture(scope="module")
def outcome(
    livekit_server: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    """One call in which everything happens that can be a record."""
    folder = tmp_path_factory.mktemp("records")
    with running_webhook_receiver(WEBHOOK_SECRET) as receiver:
        environment = worker_environment(livekit_server, folder) | {
            "EARMARK_RECORDS_DATABASE": "true",
            "EARMARK_RECORDS_ROOM": WALLBOARD,
            "EARMARK_RECORDS_WEBHOOK_URL": receiver.url,
            "EARMARK_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "EARMARK_ALLOW_PRIVATE_TARGETS": "127.0.0.1",
            "EARMARK_ROLES": "kind:sip=customer",
            "EARMARK_RECORD": "false",
        }
        with running_observer(environment, folder / "log"):
            yield asyncio.run(_call(access_to(livekit_server), folder, receiver.received))


async def _call(access: Access, folder: Path, webhooks: list[ReceivedWebhook]) -> Outcome:
    def guest(identity: str, room: str = ROOM, **more: object) -> Guest:
        return Guest(access, room, identity, secret=SECRET, **more)  # type: ignore[arg-type]

    agent = Caller(access, ROOM, AGENT, Role.AGENT)
    customer = Caller(access, ROOM, CUSTOMER, Role.CUSTOMER)
    to_voices: list[rtc.DataPacket] = []
    for voice in (agent, customer):
        voice.room.on("data_received", to_voices.append)
    chatbot = guest(CHATBOT, kind="agent")
    helper = guest(HELPER, kind="agent")
    phone = guest(PHONE, kind="sip", attributes={"sip.callStatus": "ringing"})
    supervisor = guest(SUPERVISOR, role=Role.SUPERVISOR)
    latecomer = guest(LATE, role=Role.SUPERVISOR)
    far = guest(FAR, WALLBOARD, role=Role.SUPERVISOR)
    bystander = guest("bob-the-bystander", WALLBOARD)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=ROOM))
        await dispatch(client, ROOM)
        for each in (far, bystander, supervisor, agent, customer, chatbot, helper, phone):
            await each.join()
        sids = {
            each.identity: each.room.local_participant.sid
            for each in (supervisor, agent, customer, chatbot, helper, phone)
        }
        await agent.publish()
        await customer.publish()
        (track_sid,) = customer.room.local_participant.track_publications
        sound = {
            name: decode(DEMO_AUDIO / f"{name}.ogg").samples[0] for name in ("agent", "customer")
        }
        first = slice(0, 24 * SAMPLE_RATE_HZ)

        async def write() -> None:
            await asyncio.sleep(3)
            await client.room.update_participant(  # as LiveKit's SIP service does
                api.UpdateParticipantRequest(
                    room=ROOM, identity=PHONE, attributes={"sip.callStatus": "active"}
                )
            )
            await chatbot.write(f"Sure, your card is {CARD}.", {"lk.segment_id": "SG_1"})
            await helper.send(
                "agent_response", {"response": "These are guaranteed returns, Carl Jones."}
            )
            await helper.send("transcription", "not {json, but text")
            # A person may not put words into another's mouth.
            await phone.send("transcription", {"text": "I lie", "participant_identity": AGENT})
            await phone.press(KEYS)
            await chatbot.write(
                "Hello, I have a question.",
                {"lk.segment_id": "SG_2", "lk.transcribed_track_id": track_sid},
            )

        await asyncio.gather(
            agent.speak(sound["agent"][first]), customer.speak(sound["customer"][first]), write()
        )
        publication = customer.room.local_participant.track_publications[track_sid]
        assert publication.track is not None
        publication.track.mute()
        await asyncio.sleep(1)
        publication.track.unmute()
        await asyncio.sleep(4)
        await phone.leave()
        await latecomer.join()
        await asyncio.sleep(4)
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))
    await _until_ended(folder, room.sid)
    await asyncio.sleep(1)
    for each in (far, bystander):
        await each.leave()
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    with database.begin() as connection:
        stored = records_of(connection, room.sid)
        found = hits.hits_of(connection, room.sid)
    database.close()
    return Outcome(
        supervisor=supervisor,
        latecomer=latecomer,
        far=far,
        listeners=(chatbot, helper, phone),
        n_to_voices=len(
            [packet for packet in to_voices if packet.topic == "conversation_analysis"]
        ),
        n_far_bystander=len(bystander.packets),
        stored=stored,
        hits=tuple((hit.rule_id, hit.speaker) for hit in found),
        webhooks=tuple(webhooks),
        sids=sids,
        log=(folder / "log").read_text(errors="replace"),
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


def test_every_type_reaches_the_supervisor(outcome: Outcome) -> None:
    """Each kind of thing that happened is a record, signed, and told once."""
    got = outcome.supervisor
    assert got.n_forged == 0
    assert {record["type"] for record in got.records} >= {
        "utterance", "transcription", "join", "leave", "mute", "unmute", "dtmf", "sip_status",
        "audio_quality", "connection_quality", "alert",
    }  # fmt: skip
    ids = [record["record_id"] for record in got.records]
    assert len(ids) == len(set(ids))


def test_nobody_else_gets_any(outcome: Outcome) -> None:
    """Callers, programs and the telephone get no record; nor do bystanders in the other room."""
    for listener in outcome.listeners:
        assert [p for p in listener.packets if p.topic == "conversation_analysis"] == []
    assert outcome.n_to_voices == 0
    assert outcome.n_far_bystander == 0


def test_records_name_people_by_session_id(outcome: Outcome) -> None:
    """Joins carry session ids, roles and kinds, by attribute, by kind, and by setting."""
    joined = {
        record["participant"]: (record["role"], record["kind"])
        for record in outcome.supervisor.records_of("join")
    }
    assert joined == {
        outcome.sids[SUPERVISOR]: ("supervisor", "standard"),
        outcome.sids[AGENT]: ("agent", "standard"),
        outcome.sids[CUSTOMER]: ("customer", "standard"),
        outcome.sids[CHATBOT]: ("ai_agent", "agent"),
        outcome.sids[HELPER]: ("ai_agent", "agent"),
        outcome.sids[PHONE]: ("customer", "sip"),
    } | {key: value for key, value in joined.items() if key not in outcome.sids.values()}
    assert len(joined) == 7  # and the latecomer


def test_what_was_said(outcome: Outcome) -> None:
    """Voices, text streams and data messages are utterances, with mood and keywords, masked."""
    said = outcome.supervisor.records_of("utterance")
    by_source: dict[str, set[object]] = {}
    for record in said:
        metadata = record["metadata"]
        assert isinstance(metadata, dict)
        by_source.setdefault(str(metadata["source"]), set()).add(record["participant"])
        assert -1 <= metadata["sentiment"] <= 1
        assert isinstance(metadata["keywords"], list)
        assert metadata["masked"] is True
    sids = outcome.sids
    assert by_source == {
        "speech": {sids[AGENT], sids[CUSTOMER]},
        "text_stream": {sids[CHATBOT]},
        "agent_response": {sids[HELPER]},
        "transcription": {sids[HELPER]},
    }
    whole = " ".join(
        str(record["content"])
        for record in outcome.supervisor.records
        if record["type"] != "alert"  # an excerpt may show the last four digits
    )
    for private in (*CARD.split(), "Jones", "I lie"):
        assert private not in whole
    assert "not {json, but text" in whole
    assert "guaranteed returns" in whole


def test_written_words_are_judged_once(outcome: Outcome) -> None:
    """A chat agent's words raise alerts; text of a voice that we hear ourselves does not."""
    assert ("pii.card-number", CHATBOT) in outcome.hits
    (transcribed,) = outcome.supervisor.records_of("transcription")
    assert transcribed["participant"] == outcome.sids[CUSTOMER]
    metadata = transcribed["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["judged"] is False
    alerts = [record["metadata"] for record in outcome.supervisor.records_of("alert")]
    told = [(each["hit_id"], each["state"]) for each in alerts]  # type: ignore[index]
    assert len(told) == len(set(told))
    assert len({hit_id for hit_id, _ in told}) == len(outcome.hits)


def test_keys_are_counted_and_nothing_else(outcome: Outcome) -> None:
    """Sixteen keys in a row are one record that does not say which."""
    (entry,) = outcome.supervisor.records_of("dtmf")
    assert entry["content"] == "16 digits entered"
    assert entry["participant"] == outcome.sids[PHONE]


def test_telephone_mute_and_leave(outcome: Outcome) -> None:
    """The telephone's way into the call, a mute and its end, and a leave are told in order."""
    got = outcome.supervisor
    assert [record["content"] for record in got.records_of("sip_status")] == ["ringing", "active"]
    assert [r["participant"] for r in got.records_of("mute")] == [outcome.sids[CUSTOMER]]
    assert [r["participant"] for r in got.records_of("unmute")] == [outcome.sids[CUSTOMER]]
    assert got.records_of("leave")[0]["participant"] == outcome.sids[PHONE]


def test_sound_is_measured(outcome: Outcome) -> None:
    """Both voices are measured, and sound as recorded speech does."""
    measured = outcome.supervisor.records_of("audio_quality")
    assert {r["participant"] for r in measured} == {outcome.sids[AGENT], outcome.sids[CUSTOMER]}
    for record in measured:
        metadata = record["metadata"]
        assert isinstance(metadata, dict)
        assert metadata["clipping_ratio"] < 0.01
        assert metadata["level_dbfs"] is None or -45 < metadata["level_dbfs"] < 0


def test_a_latecomer_gets_what_was(outcome: Outcome) -> None:
    """Who comes late gets what is kept, in order."""
    late = [record["record_id"] for record in outcome.latecomer.records]
    early = [record["record_id"] for record in outcome.supervisor.records]
    assert late[: len(early)] == early[: len(late)]
    assert len(late) == len(early)


def test_other_ways_out(outcome: Outcome) -> None:
    """Another room's supervisor, the webhook and the database have the same records, masked."""
    ids = {str(record["record_id"]) for record in outcome.supervisor.records}
    assert ids <= {record.id for record in outcome.stored}
    assert ids <= {str(record["record_id"]) for record in outcome.far.records}
    assert all(webhook.authentic for webhook in outcome.webhooks)
    posted = [record for hook in outcome.webhooks for record in hook.payload["records"]]  # type: ignore[attr-defined]
    assert ids <= {record["record_id"] for record in posted}
    everything = str([(r.content, r.metadata) for r in outcome.stored]) + str(posted)
    everything += str(outcome.far.records)
    # Ids of records and measures have four digits in a row by chance.
    everything = re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4,12}){4}|\d+\.\d+", "", everything)
    for private in (*CARD.split()[:3], AGENT, CUSTOMER, PHONE, CHATBOT, HELPER, ROOM, "Jones"):
        at = everything.find(private)
        assert at < 0, everything[max(0, at - 60) : at + 60]


def test_log_holds_no_personal_data(outcome: Outcome) -> None:
    """Neither what was said nor who said it nor which keys were pressed is in the log."""
    log = outcome.log.lower()
    assert '"observing"' in log
    for private in (
        AGENT, CUSTOMER, PHONE, CHATBOT, HELPER, SUPERVISOR, ROOM, WALLBOARD, "guaranteed", "4539",
        "6467", "jones",
    ):  # fmt: skip
        assert private.lower() not in log
