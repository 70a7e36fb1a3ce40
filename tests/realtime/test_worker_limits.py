"""What a worker takes, and how it ends: the cap, the second observer, the stop."""

import asyncio
import signal
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from livekit import api

from earmark.demo_call import Caller, ReceivedAlert, SupervisorClient
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from realtime.identity import AGENT_NAME
from rules.types import Role
from speech.audio import SAMPLE_RATE_HZ, decode
from storage.database import open_database
from storage.heartbeats import Heartbeat, heartbeats_of
from tests.realtime.builders import DEMO_AUDIO, SECRET, access_to, worker_environment
from tests.realtime.processes import job_pids, log_lines, running_watch

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]


def beats_in(folder: Path, room_sids: list[str]) -> list[Heartbeat]:
    """Everybody who ever observed one of the rooms."""
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    with database.begin() as connection:
        found = heartbeats_of(connection, room_sids)
    database.close()
    return [beat for beats in found.values() for beat in beats]


def most_at_once(beats: list[Heartbeat]) -> int:
    """How many observed at the same time, at most."""
    moments: list[datetime] = [beat.started_at for beat in beats]
    return max(sum(beat.started_at <= at <= beat.until for beat in beats) for at in moments)


async def _until_observed(folder: Path, room_sids: list[str], n_rooms: int) -> list[Heartbeat]:
    async with asyncio.timeout(180):
        while len(beats := beats_in(folder, room_sids)) < n_rooms:
            await asyncio.sleep(0.5)
    return beats


def test_burst(livekit_server: DevServer, tmp_path: Path) -> None:
    """Five rooms at once, a worker for two: it takes two, and the others when it has room."""
    access = access_to(livekit_server)
    environment = worker_environment(livekit_server, tmp_path) | {
        "EARMARK_MAX_ROOMS": "2",
        "EARMARK_RECORD": "false",
        "EARMARK_WATCH_INCLUDE": "burst-*",
    }
    log_path = tmp_path / "worker.log"

    async def call() -> list[Heartbeat]:
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            names = [f"burst-{number}" for number in range(5)]
            rooms = {
                name: (await client.room.create_room(api.CreateRoomRequest(name=name))).sid
                for name in names
            }
            people = {name: Caller(access, name, "ann", Role.CUSTOMER) for name in names}
            for each in people.values():
                await each.join()
            # All at the same moment, faster than any load is told; the watcher asks as well.
            await asyncio.gather(
                *(
                    client.agent_dispatch.create_dispatch(
                        api.CreateAgentDispatchRequest(agent_name=AGENT_NAME, room=name)
                    )
                    for name in names
                )
            )
            sids = list(rooms.values())
            with running_watch(environment, tmp_path / "watch.log"):
                first = await asyncio.to_thread(asyncio.run, _until_observed(tmp_path, sids, 2))
                await asyncio.sleep(5)
                assert len(beats_in(tmp_path, sids)) == 2
                for name in [name for name in names if rooms[name] in {b.room_sid for b in first}]:
                    await people.pop(name).leave()
                    await client.room.delete_room(api.DeleteRoomRequest(room=name))
                beats = await asyncio.to_thread(asyncio.run, _until_observed(tmp_path, sids, 4))
            for name, each in people.items():
                await each.leave()
                await client.room.delete_room(api.DeleteRoomRequest(room=name))
            return beats

    with running_observer(environment, log_path):
        beats = asyncio.run(call())
    assert most_at_once(beats) == 2
    assert len({beat.room_sid for beat in beats}) >= 4


def test_trap_06_second_observer(livekit_server: DevServer, tmp_path: Path) -> None:
    """A room has one observer however often one is asked for, and by however many workers."""
    access = access_to(livekit_server)
    environment = worker_environment(livekit_server, tmp_path) | {"EARMARK_RECORD": "false"}
    log_paths = [tmp_path / "first.log", tmp_path / "second.log"]

    async def call() -> tuple[str, set[str]]:
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            room = await client.room.create_room(api.CreateRoomRequest(name="wanted"))
            person = Caller(access, "wanted", "ann", Role.CUSTOMER)
            await person.join()
            request = api.CreateAgentDispatchRequest(agent_name=AGENT_NAME, room="wanted")
            await asyncio.gather(
                *(client.agent_dispatch.create_dispatch(request) for _ in range(6))
            )
            async with asyncio.timeout(120):
                while not sum(len(job_pids(path)) for path in log_paths):
                    await asyncio.sleep(0.5)
            await asyncio.sleep(10)  # a second one would come in this time, and stay
            listed = await client.room.list_participants(api.ListParticipantsRequest(room="wanted"))
            await person.leave()
            await client.room.delete_room(api.DeleteRoomRequest(room="wanted"))
            return room.sid, {each.identity for each in listed.participants}

    with (
        running_observer(environment, log_paths[0]),
        running_observer(environment, log_paths[1]),
    ):
        room_sid, identities = asyncio.run(call())
    assert len([name for name in identities if name.startswith(AGENT_NAME)]) == 1
    assert sum(len(job_pids(path)) for path in log_paths) == 1
    assert len(beats_in(tmp_path, [room_sid])) == 1
    refused = ("a second observer was refused", "a second observer leaves at once")
    assert sum(len(log_lines(path, text)) for path in log_paths for text in refused) >= 1


def test_stop_in_the_middle_of_a_call(livekit_server: DevServer, tmp_path: Path) -> None:
    """A worker that is to stop hears its calls to their end, takes no new ones, and ends well."""
    access = access_to(livekit_server)
    alerts: list[ReceivedAlert] = []
    environment = worker_environment(livekit_server, tmp_path)
    log_path = tmp_path / "worker.log"

    async def call(worker: psutil.Process) -> None:
        agent = Caller(access, "draining", "agent", Role.AGENT)
        supervisor = SupervisorClient(
            access, "draining", "sup", secret=SECRET, on_alert=alerts.append
        )
        sound = decode(DEMO_AUDIO / "agent.ogg").samples[0]
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            await client.room.create_room(api.CreateRoomRequest(name="draining"))
            await agent.join()
            await supervisor.join()
            await dispatch(client, "draining")
            await agent.publish()
            worker.send_signal(signal.SIGTERM)
            await asyncio.sleep(1)
            await client.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name=AGENT_NAME, room="too-late")
            )
            await agent.speak(sound[12 * SAMPLE_RATE_HZ : 21 * SAMPLE_RATE_HZ])
            async with asyncio.timeout(90):
                while not alerts:
                    await asyncio.sleep(0.1)
            assert worker.is_running()
            await agent.leave()
            await supervisor.leave()
            for name in ("draining", "too-late"):
                await client.room.delete_room(api.DeleteRoomRequest(room=name))

    with running_observer(environment, log_path) as worker:
        asyncio.run(call(psutil.Process(worker.pid)))
        assert worker.wait(180) == 0
    assert len(job_pids(log_path)) == 1
    assert alerts
