"""A worker that dies in the middle of a call takes nothing with it that was acknowledged."""

import asyncio
import time
from pathlib import Path

import psutil
import pytest
from livekit import api

from earmark.demo_call import Access, Caller, ReceivedAlert, SupervisorClient
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from rules.types import Role
from speech.audio import SAMPLE_RATE_HZ, decode
from storage import hits, recordings
from storage.database import open_database
from tests.realtime.builders import DEMO_AUDIO, SECRET, access_to, worker_environment

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]

ROOM = "short-call"


def kill_at_once(pid: int) -> None:
    """SIGKILL for a process and all that it started, as a machine that loses power."""
    parent = psutil.Process(pid)
    for process in (*parent.children(recursive=True), parent):
        process.kill()


async def _call_until_killed(access: Access, worker_pid: int) -> tuple[str, list[ReceivedAlert]]:
    alerts: list[ReceivedAlert] = []
    agent = Caller(access, ROOM, "agent", Role.AGENT)
    supervisor = SupervisorClient(access, ROOM, "sup", secret=SECRET, on_alert=alerts.append)
    # The agent's promise comes at 13.5 s of this file.
    sound = decode(DEMO_AUDIO / "agent.ogg").samples[0]
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=ROOM))
        await agent.join()
        await supervisor.join()
        await dispatch(client, ROOM)
        await agent.publish()
        await agent.speak(sound[12 * SAMPLE_RATE_HZ : 24 * SAMPLE_RATE_HZ])
        async with asyncio.timeout(15):
            while not alerts:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # both promises of the line
        kill_at_once(worker_pid)
        await agent.leave()
        await supervisor.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))
    return room.sid, alerts


def test_killed_in_the_middle_of_a_call(livekit_server: DevServer, tmp_path: Path) -> None:
    """Hits that were sent are in the database, and the next worker puts the recording away."""
    access = access_to(livekit_server)
    variables = worker_environment(livekit_server, tmp_path)
    with running_observer(variables, tmp_path / "first.log") as worker:
        room_sid, alerts = asyncio.run(_call_until_killed(access, worker.pid))
    assert alerts
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with database.begin() as connection:
        stored = {hit.id for hit in hits.hits_of(connection, room_sid)}
        assert recordings.recordings_of(connection, room_sid) == ()
    assert {str(alert.payload["hit_id"]) for alert in alerts} <= stored
    with running_observer(variables, tmp_path / "second.log"):
        deadline_s = time.monotonic() + 20
        recorded: tuple[recordings.Recording, ...] = ()
        while not recorded and time.monotonic() < deadline_s:
            with database.begin() as connection:
                recorded = recordings.recordings_of(connection, room_sid)
            time.sleep(0.2)
    database.close()
    (recording,) = recorded
    assert recording.identity == "agent"
    # Twelve seconds were spoken; a killed recorder loses about a second at the end.
    assert recording.duration_s > 10.5
    audio = decode(tmp_path / "objects" / recording.object_key)
    assert audio.duration_s == pytest.approx(recording.duration_s, abs=0.1)
    assert audio.damage is not None  # the audit will say that the end is missing
