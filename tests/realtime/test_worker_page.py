"""The page of a worker: its health as things fail, and its metrics as things happen."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from livekit import api

from earmark.demo_call import Access, Caller
from earmark.observer_process import running_observer
from realtime.devserver import running_livekit_server
from realtime.dispatch import dispatch, livekit_api
from rules.types import Role
from scripts.tools import find_tool
from speech.audio import SAMPLE_RATE_HZ, decode
from tests.realtime.builders import DEMO_AUDIO, access_to, worker_environment
from tests.realtime.processes import job_pids, page_address

pytestmark = [pytest.mark.livekit, pytest.mark.model, pytest.mark.slow]

ROOM, AGENT = "metered-room", "agnes-the-agent"
PROMISE = 'earmark_hits_total{rule="conduct.promissory-claim",severity="high",state="confirmed"}'
PASSES = ("interim", "final")
DELAYS = 'earmark_alert_delay_seconds_count{severity="high"}'


def values(metrics: str) -> dict[str, float]:
    """The samples of ours, by name and labels."""
    return {
        name: float(value)
        for name, value in re.findall(r"^(earmark_\S+(?:{.*})?) (\S+)$", metrics, re.MULTILINE)
    }


async def _call(access: Access, page: str, worker_log: Path) -> tuple[str, str]:
    agent = Caller(access, ROOM, AGENT, Role.AGENT)
    sound = decode(DEMO_AUDIO / "agent.ogg").samples[0]
    async with (
        livekit_api(access.url, access.api_key, access.api_secret) as client,
        httpx.AsyncClient() as http,
    ):
        await client.room.create_room(api.CreateRoomRequest(name=ROOM))
        await agent.join()
        await dispatch(client, ROOM)
        await agent.publish()
        await agent.speak(sound[12 * SAMPLE_RATE_HZ : 21 * SAMPLE_RATE_HZ])
        during = await _metrics_once(http, page, _is_counted)
        await agent.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=ROOM))
        pid = job_pids(worker_log)[0]
        async with asyncio.timeout(120):
            while psutil.pid_exists(pid):
                await asyncio.sleep(0.2)
        after = (await http.get(f"{page}metrics")).text
    return during, after


async def _metrics_once(
    http: httpx.AsyncClient, page: str, condition: Callable[[dict[str, float]], bool]
) -> str:
    """The metrics, as soon as they are as they must be; after two minutes as they are."""
    deadline_s = time.monotonic() + 120
    while True:
        text = (await http.get(f"{page}metrics", timeout=30)).text
        if condition(values(text)) or time.monotonic() > deadline_s:
            return text
        await asyncio.sleep(0.5)


def _is_counted(counted: dict[str, float]) -> bool:
    """Whether the promise was heard to its end; queues are counted with each heartbeat."""
    return (
        counted.get(PROMISE, 0) >= 1
        and counted.get(DELAYS, 0) >= 1
        and counted.get('earmark_queue_depth{queue="segments"}') == 0
    )


def _health(page: str, path: str = "") -> tuple[int, str]:
    answer = httpx.get(f"{page}{path}", timeout=30)
    return answer.status_code, answer.text


def _wait_for(page: str, expected: str) -> None:
    deadline_s = time.monotonic() + 90
    while expected not in (said := _health(page)[1]):
        assert time.monotonic() < deadline_s, said
        time.sleep(0.5)


def test_page(tmp_path: Path) -> None:
    """One worker through a call, the loss of its server, and the loss of its speech process."""
    binary = find_tool("livekit-server")
    if binary is None:
        pytest.skip("livekit-server is not installed; `make test` builds it")
    worker_log = tmp_path / "worker.log"
    with (
        running_livekit_server(binary, tmp_path) as server,
        running_observer(worker_environment(server, tmp_path), worker_log) as worker,
    ):
        page = page_address(worker_log)
        assert _health(page) == (200, "OK\n")
        during, after = asyncio.run(_call(access_to(server), page, worker_log))
        server.process.kill()
        _wait_for(page, "livekit: not registered at the LiveKit server")
        assert _health(page)[0] == 503
        assert _health(page, "live") == (200, "OK\n")  # a restart would mend nothing
        (speech,) = [
            process
            for process in psutil.Process(worker.pid).children(recursive=True)
            if process.memory_info().rss == max(
                each.memory_info().rss
                for each in psutil.Process(worker.pid).children(recursive=True)
            )
        ]  # fmt: skip
        speech.kill()
        assert worker.wait(120) == 3
    _assert_counted(values(during), values(after))
    for private in (ROOM, AGENT, "guaranteed"):
        assert private not in during + after


def _assert_counted(during: dict[str, float], after: dict[str, float]) -> None:
    for counted in (during, after):  # what an ended process counted stays counted
        assert counted['earmark_utterances_total{state="final"}'] >= 1
        assert counted[PROMISE] >= 1
        assert counted[DELAYS] >= 1
        # Which pass gave the words depends on the pauses: a guess may have heard the whole piece.
        passes = (f'earmark_recogniser_seconds_count{{pass="{name}"}}' for name in PASSES)
        assert sum(counted.get(name, 0) for name in passes) >= 1
        assert counted["earmark_database_up"] == 1
        assert counted["earmark_worker_rooms_max"] == 20
        assert counted["earmark_outbox_open"] == 0
    assert during['earmark_rooms_observed{source="livekit"}'] == 1
    assert during['earmark_tracks_heard{source="livekit"}'] == 1
    assert during['earmark_queue_depth{queue="segments"}'] == 0
    assert during["earmark_heartbeat_age_seconds"] < 60  # one of four seconds, on a busy machine
    assert after.get('earmark_rooms_observed{source="livekit"}', 0) == 0
