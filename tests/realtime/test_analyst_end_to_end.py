"""The analyst on a real LiveKit server, beside a real observer, with a scripted language model."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from earmark.demo_call import Access
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from realtime.identity import ANALYST_NAME
from realtime.records import RecordType
from rules.types import Role
from storage.database import open_database
from storage.records import StoredRecord, records_of
from tests.realtime.builders import SECRET, access_to, worker_environment
from tests.realtime.people import Guest
from tests.servers.chat import Answer, ChatEndpoint, running_chat_endpoint

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]

ROOM, OTHER_ROOM = "ward-ten-room", "ward-eleven-room"
BOT, CUSTOMER, SUPERVISOR = "benny-the-bot", "carla-the-customer", "sue-the-supervisor"
CARD = "4539 1488 0343 6467"
REFUSED = "records were refused: they do not prove where they come from"
OPINION = {
    "summary": "The bot promised returns.",
    "sentiment": "positive",
    "topics": ["savings plan"],
    "intents": ["open a plan"],
    "compliance": "Look at the promise.",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the analyst told of one call."""

    supervisor: Guest
    customer: Guest
    stored: tuple[StoredRecord, ...]
    endpoint: ChatEndpoint
    dispatched: list[api.AgentDispatch]
    second: bool  # whether a second dispatch found the analyst there
    log_paths: tuple[Path, ...]

    def log(self) -> str:
        """What both workers logged."""
        return "".join(path.read_text(errors="replace") for path in self.log_paths)

    def analysis(self, known: str) -> dict[str, Any]:
        """The first analysis at the supervisor's that knew of something."""
        return next(
            dict(record)
            for record in self.supervisor.records_of("analysis")
            if known in str(record)
        )


@pytest.fixture(scope="module")
def outcome(
    livekit_server: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    """A call of which the observer tells the analyst; the model answers, and then it does not."""
    folder = tmp_path_factory.mktemp("analyst")
    with running_chat_endpoint([Answer(text=json.dumps(OPINION))]) as endpoint:
        environment = worker_environment(livekit_server, folder) | {
            "EARMARK_RECORDS_DATABASE": "true",
            "EARMARK_RECORDS_AGENT": "analyst",
            "EARMARK_RECORD": "false",
            "EARMARK_ANALYST_EVERY_S": "3",
            "EARMARK_ANALYST_LLM_URL": endpoint.url,
            "EARMARK_ANALYST_LLM_MODEL": "scripted",
        }
        with (
            running_observer(environment, folder / "analyst.log", command="analyst"),
            running_observer(environment, folder / "observer.log"),
        ):
            yield asyncio.run(_call(access_to(livekit_server), folder, endpoint))


async def _call(access: Access, folder: Path, endpoint: ChatEndpoint) -> Outcome:
    bot = Guest(access, ROOM, BOT, kind="agent", secret=SECRET)
    customer = Guest(access, ROOM, CUSTOMER, role=Role.CUSTOMER, secret=SECRET)
    supervisor = Guest(access, ROOM, SUPERVISOR, role=Role.SUPERVISOR, secret=SECRET)
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=ROOM))
        for guest in (bot, customer, supervisor):
            await guest.join()
        await dispatch(client, ROOM)
        await asyncio.sleep(2)
        await bot.send("agent_response", "Our savings plan has guaranteed returns.")
        await customer.send("transcription", f"Great! I want to sign up. My card is {CARD}.")
        async with asyncio.timeout(60):
            while "pii.card-number" not in str(supervisor.records_of("analysis")):
                await asyncio.sleep(0.1)
        endpoint.script[:] = [Answer(status=503)]
        # A forged record must not be believed.
        await customer.send("conversation_analysis", {"type": "alert", "body": "{}"})
        await customer.send(
            "transcription", "On second thought I want to cancel, this is terrible."
        )
        async with asyncio.timeout(60):
            while "cancel" not in str(supervisor.records_of("analysis")):
                await asyncio.sleep(0.1)
        second = await dispatch(client, ROOM, agent_name=ANALYST_NAME)
        dispatched = list(await client.agent_dispatch.list_dispatch(ROOM))
        await customer.send("transcription", "Please close my account.")
        await asyncio.sleep(1)
        for guest in (bot, customer, supervisor):
            await guest.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))
    stored = await _until_final(folder, room.sid)
    return Outcome(
        supervisor=supervisor,
        customer=customer,
        stored=stored,
        endpoint=endpoint,
        dispatched=dispatched,
        second=second.already_there,
        log_paths=(folder / "analyst.log", folder / "observer.log"),
    )


async def _until_final(folder: Path, room_sid: str) -> tuple[StoredRecord, ...]:
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    try:
        async with asyncio.timeout(60):
            while True:
                with database.begin() as connection:
                    stored = records_of(connection, room_sid)
                analyses = [r for r in stored if r.type == RecordType.ANALYSIS]
                if any(record.metadata["final"] for record in analyses):
                    return stored
                await asyncio.sleep(0.2)
    finally:
        database.close()


def test_the_analyst_comes_by_itself(outcome: Outcome) -> None:
    """The observer sends it once, with what it needs to ask; a second dispatch finds it there."""
    (sent,) = (each for each in outcome.dispatched if each.agent_name == ANALYST_NAME)
    told = json.loads(sent.metadata)
    assert told["topic"] == "conversation_analysis"
    assert told["observer"].startswith("earmark-observer-")
    assert outcome.second


def test_analysis_with_a_model(outcome: Outcome) -> None:
    """An analysis has the model's opinion beside what the records say by themselves."""
    first = outcome.analysis("pii.card-number")
    metadata = first["metadata"]
    assert metadata["by"] == "llm"
    assert metadata["llm"] == OPINION
    assert metadata["compliance"]["opinion"] == "breach likely"
    rules = {alert["rule"] for alert in metadata["compliance"]["alerts"]}
    assert {"pii.card-number", "conduct.promissory-claim"} <= rules
    assert metadata["intents"]["customer"] == ["buy"]
    assert metadata["sentiment"]["customer"]["mood"] == "positive"
    assert any("plan" in topic for topic in metadata["topics"])
    assert "The bot promised returns." in first["content"]


def test_analysis_without_the_model_says_so(outcome: Outcome) -> None:
    """When the model fails, the local analysis stands, and the record says what happened."""
    second = outcome.analysis("cancel")["metadata"]
    assert second["by"] == "local"
    assert second["llm_failed"] == "the endpoint failed or refused"
    assert second["intents"]["customer"] == ["buy", "cancel"]
    assert second["sentiment"]["customer"]["trend"] == "falling"


def test_the_end_is_told(outcome: Outcome) -> None:
    """The last analysis knows the whole call and is kept, though nobody is in the room any more."""
    final = [r for r in outcome.stored if r.type == RecordType.ANALYSIS][-1]
    assert final.metadata["final"] is True
    assert final.metadata["n_utterances"] == 4


def test_nobody_else_learns_anything(outcome: Outcome) -> None:
    """The customer gets nothing; the model and the logs get no personal data."""
    assert {packet.topic for packet in outcome.customer.packets} == {"agent_response"}
    deadline_s = time.monotonic() + 20
    while REFUSED not in outcome.log() and time.monotonic() < deadline_s:
        time.sleep(0.2)
    log = outcome.log()
    assert REFUSED in log  # what the customer forged
    asked = str(outcome.endpoint.requests)
    assert "guaranteed returns" in asked
    for private in (*CARD.split()[:3], CUSTOMER, BOT, ROOM):
        assert private not in asked
        assert private not in log
    assert "guaranteed" not in log
