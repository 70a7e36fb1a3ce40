"""Sends the observer into a room, and makes sure that it arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from livekit import api
from livekit.protocol import agent as agent_proto
from livekit.protocol.agent_dispatch import AgentDispatch
from livekit.protocol.room import RoomEgress

from realtime.errors import DispatchError, LiveKitConfigError, LiveKitUnavailableError
from realtime.identity import AGENT_NAME, ANALYST_NAME

_TIMEOUT_S = 10.0
_POLL_S = 0.25
_STARTED_BY = {AGENT_NAME: "`earmark observe`", ANALYST_NAME: "`earmark analyst`"}
_RUNNING = agent_proto.JobStatus.JS_RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What `dispatch` did."""

    dispatch_id: str
    already_there: bool


@asynccontextmanager
async def livekit_api(
    url: str, api_key: str, api_secret: str, *, read_timeout_s: float = _TIMEOUT_S
) -> AsyncIterator[api.LiveKitAPI]:
    """The server API, with its failures mapped.

    Args:
        url: Of the server.
        api_key: Its key.
        api_secret: The key's secret.
        read_timeout_s: How long an answer may take.

    Raises:
        LiveKitConfigError: the address is none.
        LiveKitUnavailableError: no answer, or the keys are refused.
    """
    if urlsplit(url).scheme not in {"ws", "wss", "http", "https"} or not urlsplit(url).hostname:
        raise LiveKitConfigError(
            f"LIVEKIT_URL: {url!r} is no address; it should look like wss://HOST or ws://HOST:7880"
        )
    # Not a timeout of the whole: that one could not be told from a timeout of the caller's own.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_S, sock_read=read_timeout_s)
    try:
        async with api.LiveKitAPI(url, api_key, api_secret, timeout=timeout) as client:
            yield client
    except aiohttp.ClientError:
        raise LiveKitUnavailableError(
            f"LIVEKIT_URL: no LiveKit server answers at {url}; start one or correct the address"
        ) from None
    except api.TwirpError as exc:
        if exc.status in {401, 403}:
            raise LiveKitUnavailableError(
                f"LIVEKIT_API_KEY and LIVEKIT_API_SECRET: the server at {url} refuses them",
                code=exc.code,
            ) from None
        raise LiveKitUnavailableError(
            f"the LiveKit server at {url} answered {exc.code} ({exc.status})", code=exc.code
        ) from None


async def check_livekit(url: str, api_key: str, api_secret: str) -> None:
    """Make sure that a server answers and takes the keys.

    Raises:
        LiveKitConfigError: the address is none.
        LiveKitUnavailableError: no answer, or the keys are refused.
    """
    async with livekit_api(url, api_key, api_secret) as client:
        await client.room.list_rooms(api.ListRoomsRequest())


async def dispatch(
    client: api.LiveKitAPI,
    room_name: str,
    *,
    agent_name: str = AGENT_NAME,
    metadata: str = "",
    wait_s: float = 6.0,
    n_tries: int = 3,
    room_egress: RoomEgress | None = None,
) -> Dispatched:
    """Send the observer, or another agent, into a room; a room that is not there is created.

    LiveKit accepts a dispatch that no worker can take and drops it, and it takes the same dispatch
    twice. So this looks first whether the agent is there, and waits until one runs.

    Args:
        client: Of the server.
        room_name: Where the agent is wanted.
        agent_name: Which one, as LiveKit knows it.
        metadata: Of its job.
        wait_s: How long a job may stay without a worker before it counts as dropped.
        n_tries: How often the job is offered.
        room_egress: What LiveKit records by itself in a room that is created here.

    Raises:
        DispatchError: no worker took the job; the dispatch is withdrawn.
    """
    # Asking for the dispatches of a room that is not there waits seconds for nobody's answer.
    rooms = await client.room.list_rooms(api.ListRoomsRequest(names=[room_name]))
    if rooms.rooms:
        for earlier in await observer_dispatches(client, room_name, agent_name):
            if _runs(earlier):
                return Dispatched(dispatch_id=earlier.id, already_there=True)
    elif room_egress is not None:
        await client.room.create_room(api.CreateRoomRequest(name=room_name, egress=room_egress))
    for _ in range(n_tries):
        made = await client.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(agent_name=agent_name, room=room_name, metadata=metadata)
        )
        if await _taken(client, made, wait_s):
            return Dispatched(dispatch_id=made.id, already_there=False)
        await client.agent_dispatch.delete_dispatch(made.id, room_name)
    start = _STARTED_BY.get(agent_name, "the agent's own worker")
    raise DispatchError(
        f"no worker took the job within {n_tries * wait_s:.0f} s; start one with {start}"
    )


async def _taken(client: api.LiveKitAPI, made: AgentDispatch, wait_s: float) -> bool:
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        found = await observer_dispatches(client, made.room, made.agent_name)
        if any(d.id == made.id and _runs(d) for d in found):
            return True
        await asyncio.sleep(_POLL_S)
    return False


async def observer_dispatches(
    client: api.LiveKitAPI, room_name: str, agent_name: str = AGENT_NAME
) -> list[AgentDispatch]:
    """Every dispatch of an observer to a room, those included that came to nothing.

    Args:
        client: Of the server.
        room_name: Of a room that exists.
        agent_name: Of another agent than the observer.

    Raises:
        aiohttp.ClientError, api.TwirpError: the server did not say.
    """
    found = await client.agent_dispatch.list_dispatch(room_name)
    return [dispatch for dispatch in found if dispatch.agent_name == agent_name]


def _runs(dispatch: AgentDispatch) -> bool:
    return any(job.state.status == _RUNNING for job in dispatch.state.jobs)
