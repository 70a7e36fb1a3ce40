"""A call that goes the way calls go: the observer late, the supervisor later, nobody hangs up."""

import asyncio
from pathlib import Path

import pytest

from earmark.demo_call import Access, Caller, ReceivedAlert, SupervisorClient
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from rules.types import Role
from speech.audio import SAMPLE_RATE_HZ, decode
from storage import calls, gaps
from storage.database import Database, open_database
from tests.realtime.builders import DEMO_AUDIO, SECRET, access_to, worker_environment

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]

ROOM = "untidy"


async def _call(access: Access) -> tuple[str, list[ReceivedAlert]]:
    alerts: list[ReceivedAlert] = []
    agent = Caller(access, ROOM, "agent", Role.AGENT)
    supervisor = SupervisorClient(access, ROOM, "sup", secret=SECRET, on_alert=alerts.append)
    # The agent's promise comes at 13.5 s of this file.
    sound = decode(DEMO_AUDIO / "agent.ogg").samples[0]
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        await agent.join()
        room_sid = await agent.room.sid
        await asyncio.sleep(3.5)  # somebody may be talking here, and nobody listens
        await dispatch(client, ROOM)
        await agent.publish()
        await agent.speak(sound[12 * SAMPLE_RATE_HZ : 21 * SAMPLE_RATE_HZ])
        await asyncio.sleep(1.5)
        await supervisor.join()
        async with asyncio.timeout(15):
            while not alerts:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        await agent.leave()
        await supervisor.leave()
    return room_sid, alerts


async def _ended(database: Database, room_sid: str) -> calls.Call:
    async with asyncio.timeout(60):
        while True:
            with database.begin() as connection:
                call = calls.get_call(connection, room_sid)
            if call is not None and call.ended_at is not None:
                return call
            await asyncio.sleep(0.25)


def test_untidy_call(livekit_server: DevServer, tmp_path: Path) -> None:
    """Alerts wait for the supervisor, the late start is a gap, and the call ends by itself."""
    with running_observer(worker_environment(livekit_server, tmp_path), tmp_path / "log"):
        room_sid, alerts = asyncio.run(_call(access_to(livekit_server)))
        database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
        call = asyncio.run(_ended(database, room_sid))
    with database.begin() as connection:
        found = gaps.gaps_of(connection, room_sid)
        people = calls.participants_of(connection, room_sid)
    database.close()
    assert {alert.payload["rule"] for alert in alerts} == {"conduct.promissory-claim"}
    assert all(alert.authentic for alert in alerts)
    assert [gap.kind for gap in found] == [gaps.GapKind.LATE_JOIN]
    (late,) = found
    assert late.end_s is not None
    assert late.end_s - late.start_s > 3
    assert call.observer_joined_s is not None
    assert {person.identity: person.role for person in people} == {
        "agent": Role.AGENT,
        "sup": Role.SUPERVISOR,
    }
    assert all(person.left_s is not None for person in people)
