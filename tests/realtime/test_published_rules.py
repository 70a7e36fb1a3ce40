"""Published rules in the worker: each call has the version that was in force when it began."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit import api

from earmark.demo_call import Access
from earmark.observer_process import running_observer
from realtime.devserver import DevServer
from realtime.dispatch import dispatch, livekit_api
from rules.types import Severity
from storage import calls, hits
from storage.database import Database, open_database
from tests.realtime.builders import SECRET, access_to, worker_environment
from tests.realtime.observed_room import until
from tests.realtime.people import Guest
from tests.storage.rulebooks import BOOK, approved, edited, imported, proposed

pytestmark = [pytest.mark.livekit, pytest.mark.slow]

SECRECY, PROMISE = "Please say nothing to anybody.", "Well, I promise you a profit."
LOW, HIGH = b"severity: low", b"severity: high"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    yield database
    database.close()


def test_a_version_comes_into_force_with_the_next_call(
    livekit_server: DevServer, database: Database, tmp_path: Path
) -> None:
    """Nothing is started anew after an approval, and a call that goes on keeps its rules."""
    first = imported(database)
    environment = worker_environment(livekit_server, tmp_path) | {
        "EARMARK_RULES": "published",
        "EARMARK_RECORD": "false",
    }
    access = access_to(livekit_server)

    async def run() -> list[str]:
        async with livekit_api(access.url, access.api_key, access.api_secret) as client:
            one = await _Talk.begun(client, access, "published-one", database)
            await one.say(SECRECY, 1)
            changed = edited(edited(BOOK, "talk.yaml", LOW, HIGH), "more.yaml", LOW, HIGH)
            approved(database, proposed(database, changed))
            other = await _Talk.begun(client, access, "published-other", database)
            await other.say(SECRECY, 1)
            await one.say(PROMISE, 2)
            for talk in (one, other):
                await talk.bot.leave()
            return [one.room_sid, other.room_sid]

    with running_observer(environment, tmp_path / "log"):
        one_sid, other_sid = asyncio.run(run())
    with database.begin(read_only=True) as connection:
        severities = [
            {hit.severity for hit in hits.hits_of(connection, sid)} for sid in (one_sid, other_sid)
        ]
        one, other = (calls.get_call(connection, sid) for sid in (one_sid, other_sid))
    assert severities == [{Severity.LOW}, {Severity.HIGH}]
    assert one is not None
    assert other is not None
    assert one.rulebook_fingerprint == first.fingerprint
    assert other.rulebook_fingerprint not in (None, first.fingerprint)


class _Talk:
    """A room with an observer, and a program that talks in it."""

    def __init__(self, bot: Guest, room_sid: str, database: Database) -> None:
        self.bot = bot
        self.room_sid = room_sid
        self._database = database

    @classmethod
    async def begun(
        cls, client: api.LiveKitAPI, access: Access, name: str, database: Database
    ) -> _Talk:
        room = await client.room.create_room(api.CreateRoomRequest(name=name))
        await dispatch(client, name)
        bot = Guest(access, name, "chatty-the-bot", secret=SECRET, kind="agent")
        await bot.join()
        async with asyncio.timeout(60):
            while not await _is_observed(client, name):
                await asyncio.sleep(0.2)
        return cls(bot, room.sid, database)

    async def say(self, text: str, n_hits: int) -> None:
        """Say it, and wait until there are so many hits."""
        await self.bot.write(text, {"lk.segment_id": f"SG_{n_hits}"})
        await until(lambda: self._n_hits() >= n_hits, timeout_s=60)

    def _n_hits(self) -> int:
        with self._database.begin(read_only=True) as connection:
            return len(hits.hits_of(connection, self.room_sid))


async def _is_observed(client: api.LiveKitAPI, name: str) -> bool:
    listed = await client.room.list_participants(api.ListParticipantsRequest(room=name))
    return len(listed.participants) == 2
