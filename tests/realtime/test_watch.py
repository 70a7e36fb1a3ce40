"""`earmark watch` on real servers: it sends the observer, and again when it was killed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from livekit import api

from earmark.demo_call import Access, Caller, ReceivedAlert, SupervisorClient
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import livekit_api
from realtime.identity import AGENT_NAME, observer_identity
from rules.types import Hit, Role
from speech.audio import SAMPLE_RATE_HZ, decode
from storage import calls, gaps, heartbeats, hits
from storage.database import open_database
from storage.gaps import Gap, GapKind
from tests.realtime.builders import DEMO_AUDIO, SECRET, access_to, worker_environment
from tests.realtime.processes import job_pids, kill_at_once, running_watch

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]

ROOM = "watched"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What is known of a call in which the observer was killed between two promises."""

    room_sid: str
    killed_s: float  # call clock
    listed_after_kill: frozenset[str]  # by the LiveKit server
    hits: tuple[Hit, ...]
    gaps: tuple[Gap, ...]
    call: calls.Call | None


async def _until(condition: Callable[[], bool], timeout_s: float = 180.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.1)


async def _call(
    access: Access,
    folder: Path,
    kill: Callable[[], Awaitable[None]],
    n_observing: Callable[[], int],
) -> Heard:
    alerts: list[ReceivedAlert] = []
    agent = Caller(access, ROOM, "agent", Role.AGENT)
    supervisor = SupervisorClient(access, ROOM, "sup", secret=SECRET, on_alert=alerts.append)
    # The agent's promise comes at 13.5 s of this file.
    promise = decode(DEMO_AUDIO / "agent.ogg").samples[0][12 * SAMPLE_RATE_HZ : 21 * SAMPLE_RATE_HZ]
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=ROOM))

        def is_first_promise_known() -> bool:
            # By a heartbeat: what came after the last one counts as lost with the observer.
            with database.begin() as connection:
                found = hits.hits_of(connection, room.sid)
                (beat,) = heartbeats.heartbeats_of(connection, [room.sid])[room.sid]
            return any(hit.span.end_s < beat.heard_until_s for hit in found)

        await agent.join()
        await supervisor.join()
        await _until(lambda: n_observing() == 1)
        await agent.publish()
        await agent.speak(promise)
        await _until(lambda: len(alerts) > 0)
        await _until(is_first_promise_known)
        first = len(alerts)
        killed_s = asyncio.get_running_loop().time()
        await kill()
        listed = await client.room.list_participants(api.ListParticipantsRequest(room=ROOM))
        await _until(lambda: n_observing() == 2)
        await asyncio.sleep(1)
        back_s = asyncio.get_running_loop().time()
        await agent.speak(promise)
        await _until(lambda: len(alerts) > first)
        await asyncio.sleep(0.5)
        await agent.leave()
        await supervisor.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))

    def stored() -> Heard:
        with database.begin() as connection:
            return Heard(
                room_sid=room.sid,
                killed_s=back_s - killed_s,
                listed_after_kill=frozenset(each.identity for each in listed.participants),
                hits=hits.hits_of(connection, room.sid),
                gaps=gaps.gaps_of(connection, room.sid),
                call=calls.get_call(connection, room.sid),
            )

    def has_ended() -> bool:
        call = stored().call
        return call is not None and call.ended_at is not None

    try:
        await _until(has_ended)
        return stored()
    finally:
        database.close()


def _assert_both_were_heard(heard: Heard) -> None:
    """The promises before and after the kill are hits, and the time between them is a gap."""
    (lost,) = [gap for gap in heard.gaps if gap.kind is GapKind.OBSERVER_LOST]
    assert lost.identity is None
    assert lost.end_s is not None
    promises = sorted(
        hit.span.start_s for hit in heard.hits if hit.rule_id == "conduct.promissory-claim"
    )
    assert promises[0] < lost.start_s
    assert promises[-1] > lost.end_s
    assert lost.end_s - lost.start_s > 10


def test_trap_11_job_that_is_killed(livekit_server: DevServer, tmp_path: Path) -> None:
    """A job that its worker or the kernel kills for its memory is followed by another one."""
    environment = worker_environment(livekit_server, tmp_path)
    worker_log = tmp_path / "worker.log"

    async def kill() -> None:
        psutil.Process(job_pids(worker_log)[0]).kill()

    with (
        running_observer(environment, worker_log),
        running_watch(environment, tmp_path / "watch.log"),
    ):
        heard = asyncio.run(
            _call(access_to(livekit_server), tmp_path, kill, lambda: len(job_pids(worker_log)))
        )
    _assert_both_were_heard(heard)
    assert any(identity.startswith(AGENT_NAME) for identity in heard.listed_after_kill)


# Joins as an observer's job does, and stays until it is killed.
GHOST = """
import asyncio, sys
from livekit import rtc

async def main(url, token):
    room = rtc.Room()
    await room.connect(url, token, rtc.RoomOptions(auto_subscribe=False))
    print("there", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def test_trap_12_a_ghost(livekit_server: DevServer, tmp_path: Path) -> None:
    """An observer that was killed stands in the list of participants and counts for nothing.

    Nor does one that still lives, without a heartbeat: heartbeats decide, and not the list.
    """
    access = access_to(livekit_server)
    environment = worker_environment(livekit_server, tmp_path) | {
        "EARMARK_WATCH_INCLUDE": "haunted-*"
    }
    ghost = observer_identity("AJ_ghost")

    def token(room_name: str) -> str:
        return (
            api.AccessToken(access.api_key, access.api_secret)
            .with_identity(ghost)
            .with_kind("agent")
            .with_grants(
                api.VideoGrants(room_join=True, room=room_name, hidden=True, can_publish=False)
            )
            .to_jwt()
        )

    def look() -> dict[object, object]:
        done = subprocess.run(
            [sys.executable, "-m", "earmark", "watch", "--once", "--json"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return {line["room_sid"]: line["state"] for line in lines[:-1]}

    async def call(kill_it: bool, room_name: str) -> tuple[set[str], set[str], object, object]:
        (sid,) = await _rooms(access, {room_name: ""})
        caller = Caller(access, room_name, "ann", Role.CUSTOMER)
        await caller.join()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", GHOST, access.url, token(room_name),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        try:
            async with asyncio.timeout(90):
                assert await child.stdout.readline() == b"there\n"
            if kill_it:
                child.kill()
                await child.wait()
            async with livekit_api(access.url, access.api_key, access.api_secret) as client:

                async def listed() -> set[str]:
                    request = api.ListParticipantsRequest(room=room_name)
                    found = await client.room.list_participants(request)
                    return {each.identity for each in found.participants}

                before = await listed()
                asked = (await asyncio.to_thread(look))[sid]
                # A heartbeat is another matter, whoever is listed.
                database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
                with database.begin() as connection:
                    # It lasts for longer than a slow machine needs to look.
                    beaten_at = datetime.now(UTC) + timedelta(minutes=2)
                    heartbeats.take_seat(connection, sid, "AJ_alive", now=beaten_at)
                database.close()
                after = (await asyncio.to_thread(look))[sid]
                end = await listed()
                await caller.leave()
                await client.room.delete_room(api.DeleteRoomRequest(room=room_name))
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return before, end, asked, after

    before, _, asked, after = asyncio.run(call(kill_it=True, room_name="haunted-dead"))
    assert ghost in before
    assert (asked, after) == ("dispatched", "observed")
    before, end, asked, after = asyncio.run(call(kill_it=False, room_name="haunted-alive"))
    assert ghost in before & end
    assert (asked, after) == ("dispatched", "observed")


def test_worker_that_is_killed(livekit_server: DevServer, tmp_path: Path) -> None:
    """A worker that dies whole is followed by another worker, as soon as there is one."""
    environment = worker_environment(livekit_server, tmp_path)
    log_paths = [tmp_path / "first.log", tmp_path / "second.log"]

    def n_observing() -> int:
        return sum(len(job_pids(path)) for path in log_paths if path.exists())

    with (
        running_watch(environment, tmp_path / "watch.log"),
        running_observer(environment, log_paths[0]) as first,
        running_observer(environment, log_paths[1]) as second,
    ):

        async def kill() -> None:
            kill_at_once(first.pid if job_pids(log_paths[0]) else second.pid)

        heard = asyncio.run(_call(access_to(livekit_server), tmp_path, kill, n_observing))
    _assert_both_were_heard(heard)


async def _rooms(access: Access, names: dict[str, str]) -> dict[str, str]:
    sids = {}
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        for name, metadata in names.items():
            room = await client.room.create_room(
                api.CreateRoomRequest(name=name, metadata=metadata)
            )
            sids[room.sid] = name
    return sids


def test_once(livekit_server: DevServer, tmp_path: Path) -> None:
    """One look for a timer: which rooms, how they stand, and exit code 1 for one left alone."""
    access = access_to(livekit_server)
    environment = worker_environment(livekit_server, tmp_path) | {
        "EARMARK_WATCH_INCLUDE": "once-*",
        "EARMARK_WATCH_EXCLUDE": "*-test",
        "EARMARK_WATCH_REPORT_AFTER_S": "2",
    }

    def look() -> tuple[int, dict[str, object], subprocess.CompletedProcess[str]]:
        done = subprocess.run(
            [sys.executable, "-m", "earmark", "watch", "--once", "--json"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        states = {
            sids[sid]: line["state"] for line in lines[:-1] if (sid := line["room_sid"]) in sids
        }
        return done.returncode, states, done

    async def call() -> None:
        nonlocal sids
        sids = await _rooms(
            access,
            {
                "once-empty": "", "once-private": '{"earmark.observe": false}',
                "once-a-test": "", "other": "", "once-alone": "",
            },
        )  # fmt: skip
        people = [Caller(access, name, "ann", Role.CUSTOMER) for name in sids.values()]
        people = [
            each for each, name in zip(people, sids.values(), strict=True) if name != "once-empty"
        ]
        for each in people:
            await each.join()
        first = await asyncio.to_thread(look)
        assert first[:2] == (
            0,
            {
                "once-empty": "left_out", "once-private": "left_out", "once-a-test": "left_out",
                "other": "left_out", "once-alone": "dispatched",
            },
        ), first[2]  # fmt: skip
        await asyncio.sleep(3)
        second = await asyncio.to_thread(look)
        assert second[0] == 1
        assert second[1]["once-alone"] == "waiting"
        for each in people:
            await each.leave()
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            for name in sids.values():
                await client.room.delete_room(api.DeleteRoomRequest(room=name))
        third = await asyncio.to_thread(look)
        assert third[:2] == (0, {})

    sids: dict[str, str] = {}
    asyncio.run(call())
    (alone,) = [sid for sid, name in sids.items() if name == "once-alone"]
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    with database.begin() as connection:
        stored = calls.get_call(connection, alone)
        (gap,) = gaps.gaps_of(connection, alone)
    database.close()
    assert stored is not None
    assert stored.ended_at is not None
    assert gap.kind is GapKind.UNOBSERVED
    assert gap.end_s is not None
    audit = subprocess.run(
        [sys.executable, "-m", "earmark", "audit", "--call", alone, "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    findings = [json.loads(line) for line in audit.stdout.splitlines()]
    assert audit.returncode == 1, audit.stderr
    assert "unobserved" in {line.get("detail") for line in findings}


def test_once_without_a_server(tmp_path: Path) -> None:
    """A server that does not answer is one sentence and exit code 3."""
    done = subprocess.run(
        [sys.executable, "-m", "earmark", "watch", "--once"],
        env={
            "HOME": str(tmp_path), "EARMARK_DATA_DIR": str(tmp_path),
            "LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "k",
            "LIVEKIT_API_SECRET": 32 * "s",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
