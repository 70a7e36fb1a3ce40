"""The watcher against a real server: who is counted, who acts, and what an outage does."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from livekit import api

from earmark.demo_call import Access, Caller
from realtime.devserver import DevServer
from realtime.dispatch import livekit_api, observer_dispatches
from realtime.watcher import Watcher, WatchPolicy
from realtime.watching import RoomState, Round
from rules.types import Role
from storage import heartbeats
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.heartbeats import STALE_S
from tests.realtime.builders import access_to

pytestmark = [pytest.mark.livekit, pytest.mark.slow]


@pytest.fixture
def access(livekit_server: DevServer) -> Access:
    """The server, as callers see it."""
    return access_to(livekit_server)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return open_database(f"sqlite:///{tmp_path / 'earmark.db'}")


def watcher(access: Access, database: Database, **policy: object) -> Watcher:
    """A watcher of the rooms of these tests."""
    return Watcher(
        connect=lambda: livekit_api(access.url, access.api_key, access.api_secret),
        database=database,
        policy=WatchPolicy(include=("seen-*",), **policy),  # type: ignore[arg-type]
    )


def states(found: Round, room_sid: str) -> list[RoomState]:
    """How a room stands; the server has rooms of other tests too."""
    return [room.state for room in found.rooms if room.room_sid == room_sid]


async def test_many_watchers_ask_once(access: Access, database: Database) -> None:
    """Of four watchers that look at the same moment, one asks for the observer."""
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name="seen-by-many"))
        ann = Caller(access, "seen-by-many", "ann", Role.CUSTOMER)
        await ann.join()
        await asyncio.gather(*(watcher(access, database).look(client) for _ in range(4)))
        assert len(await observer_dispatches(client, "seen-by-many")) == 1
        again = await watcher(access, database).look(client)
        assert states(again, room.sid) == [RoomState.WAITING]
        assert len(await observer_dispatches(client, "seen-by-many")) == 1
        await ann.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room="seen-by-many"))


async def test_hidden_observers_do_not_count(access: Access, database: Database) -> None:
    """A room in which only a hidden one is left, such as the ghost of an observer, wants nobody."""
    token = (
        api.AccessToken(access.api_key, access.api_secret)
        .with_identity("earmark-observer-ghost")
        .with_kind("agent")
        .with_grants(api.VideoGrants(room_join=True, room="seen-ghost", hidden=True))
        .to_jwt()
    )
    ghost = Caller(access, "seen-ghost", "earmark-observer-ghost", Role.AI_AGENT)
    ghost._token = token
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name="seen-ghost"))
        await ghost.join()
        await asyncio.sleep(6)  # the server's own count follows by then
        found = await watcher(access, database).look(client)
        assert states(found, room.sid) == [RoomState.LEFT_OUT]
        await ghost.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room="seen-ghost"))


@pytest.mark.parametrize(
    ("may", "state"), [(True, RoomState.LEFT_OUT), (False, RoomState.DISPATCHED)]
)
async def test_participant_who_opts_out(
    access: Access, database: Database, may: bool, state: RoomState
) -> None:
    """An attribute keeps the observer out only where the settings say that it may."""
    name = f"seen-{may}"
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name=name))
        ann = Caller(access, name, "ann", Role.CUSTOMER)
        await ann.join()
        await client.room.update_participant(
            api.UpdateParticipantRequest(
                room=name, identity="ann", attributes={"earmark.observe": "false"}
            )
        )
        found = await watcher(access, database, participants_may_opt_out=may).look(client)
        assert states(found, room.sid) == [state]
        await ann.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room=name))


class Moment:
    """A clock of the test's own, for the watcher and for the beats."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def go_on(self, elapsed_s: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=elapsed_s)


async def test_database_that_was_away(access: Access, tmp_path: Path) -> None:
    """Observers that could not write while the database was away are not taken for dead at once."""
    path = tmp_path / "earmark.db"
    database = open_database(f"sqlite:///{path}")
    moment = Moment()
    looking = Watcher(
        connect=lambda: livekit_api(access.url, access.api_key, access.api_secret),
        database=database, now=lambda: moment.now,
        # The server counts by another clock than this test.
        policy=WatchPolicy(include=("seen-*",), min_participants=0),
    )  # fmt: skip
    found: Counter[RoomState] = Counter()
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        room = await client.room.create_room(api.CreateRoomRequest(name="seen-outage"))
        ann = Caller(access, "seen-outage", "ann", Role.CUSTOMER)
        await ann.join()
        with database.begin() as connection:
            heartbeats.take_seat(connection, room.sid, "J1", now=moment.now)
        assert states(await looking.look(client), room.sid) == [RoomState.OBSERVED]
        database.close()
        path.rename(tmp_path / "away.db")
        path.mkdir()  # nothing can be opened there
        moment.go_on(STALE_S + 30)
        with pytest.raises(StorageError):
            await looking.look(client)
        path.rmdir()
        (tmp_path / "away.db").rename(path)
        found.update(states(await looking.look(client), room.sid))
        moment.go_on(STALE_S - 1)
        found.update(states(await looking.look(client), room.sid))
        assert found == {RoomState.OBSERVED: 2}
        moment.go_on(2)  # by now it would have written
        assert states(await looking.look(client), room.sid) == [RoomState.DISPATCHED]
        await ann.leave()
        await client.room.delete_room(api.DeleteRoomRequest(room="seen-outage"))
    database.close()
