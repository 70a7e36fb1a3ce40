"""An observer in the test's own process, in a room of a real server, with words by plan."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from livekit import api, rtc
from livekit.agents import AutoSubscribe
from livekit.agents.job import _apply_auto_subscribe_opts
from numpy.typing import NDArray

from earmark.demo_call import Access, Caller
from realtime.clock import CallClock, call_start
from realtime.dispatch import livekit_api
from realtime.ledger import CallLedger
from realtime.observer import RoomObserver
from realtime.recognition import AsyncRecogniser, Guesses
from realtime.record_config import RecordConfig, RoomAccess
from realtime.record_setup import room_records
from realtime.roster import Roster
from realtime.ticket import Ticket
from rules.loader import load_rulebook
from rules.types import Hit
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.models import find_model
from speech.recogniser import RecognisedWord, Recognition
from speech.vad import VadModel
from storage import calls, gaps, hits, recordings
from storage.database import Database, open_database
from storage.gaps import Gap
from storage.manifest import Recording
from storage.objects import open_objects
from tests.realtime.builders import DEMO_AUDIO

# Each piece of speech is understood as this, so that each is a hit with a speaker and a span.
PHRASE = ("blue", "heron")
RULES = """
pack: test.birds
version: 1
rules:
  - id: test.birds.heron
    title: A bird
    description: Somebody names a bird.
    severity: low
    when: {phrase: {any_of: [blue heron]}}
"""


def speech(duration_s: float, *, start_s: float = 12.0) -> NDArray[np.float32]:
    """Somebody who speaks, shape (n_samples,), 16 kHz."""
    samples = decode(DEMO_AUDIO / "agent.ogg").samples[0]
    first = int(start_s * SAMPLE_RATE_HZ)
    return samples[first : first + int(duration_s * SAMPLE_RATE_HZ)]


class NoLanguage:
    """The way to a process that reads utterances, where records are not asked for."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Nobody is there."""
        raise RuntimeError("no records are asked for")


class PlannedRecogniser:
    """Understands every piece of speech as the phrase."""

    guesses = Guesses.NONE
    second = None

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """The phrase, from the beginning of the piece to its end."""
        duration_s = len(samples) / SAMPLE_RATE_HZ
        cuts_s = np.linspace(0.0, duration_s, len(PHRASE) + 1)
        words = zip(PHRASE, cuts_s[:-1], cuts_s[1:], strict=True)
        return Recognition(
            words=tuple(
                RecognisedWord(text=word, start_s=float(start), end_s=float(end), confidence=0.9)
                for word, start, end in words
            )
        )


@dataclass(frozen=True, kw_only=True)
class ObservedRoom:
    """A room with an observer in it."""

    access: Access
    name: str
    room_sid: str
    room: rtc.Room  # the observer's
    observer: RoomObserver
    clock: CallClock
    database: Database
    ledger: CallLedger
    emptied: list[float] = field(default_factory=list)

    def hits(self) -> tuple[Hit, ...]:
        """What was heard so far, in order."""
        with self.database.begin() as connection:
            found = hits.hits_of(connection, self.room_sid)
        return tuple(sorted(found, key=lambda hit: hit.span.start_s))

    def gaps(self) -> tuple[Gap, ...]:
        """What was not heard so far."""
        with self.database.begin() as connection:
            return gaps.gaps_of(connection, self.room_sid)

    def people(self) -> dict[str, calls.CallParticipant]:
        """Who is known to have been there."""
        with self.database.begin() as connection:
            return {
                each.identity: each for each in calls.participants_of(connection, self.room_sid)
            }

    def recordings(self) -> tuple[Recording, ...]:
        """What was put away."""
        with self.database.begin() as connection:
            return recordings.recordings_of(connection, self.room_sid)

    def heard(self, identity: str, *, since_s: float = 0.0) -> list[Hit]:
        """What somebody said after a position on the call clock."""
        return [hit for hit in self.hits() if hit.speaker == identity and hit.span.end_s > since_s]


async def until(condition: Callable[[], bool], *, timeout_s: float = 90.0) -> None:
    """Wait for something that a server does in its own time.

    Raises:
        TimeoutError: it never came.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.1)


@asynccontextmanager
async def observed_room(
    access: Access,
    folder: Path,
    *,
    recogniser: AsyncRecogniser | None = None,
    vad: VadModel | None = None,
    name: str = "trap",
) -> AsyncIterator[ObservedRoom]:
    """A new room, observed until the end of the block as a worker's job would."""
    rules_path = folder / "heron.yaml"
    rules_path.write_text(RULES)
    rulebook = load_rulebook((rules_path,))
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    emptied: list[float] = []
    async with livekit_api(access.url, access.api_key, access.api_secret) as client:
        made = await client.room.create_room(api.CreateRoomRequest(name=name))
        clock = CallClock.start(
            call_start(creation_time_s=made.creation_time, creation_time_ms=made.creation_time_ms)
        )
        ledger = CallLedger(
            database=database, room_sid=made.sid, room_name=name,
            call_started_at=clock.call_started_at, rulebook_fingerprint=rulebook.fingerprint,
            source="livekit",
        )  # fmt: skip
        room = rtc.Room()
        roster = Roster()
        records = room_records(
            RecordConfig(enabled=False),
            RoomAccess(
                url=access.url, api_key=access.api_key, api_secret=access.api_secret,
                supervisors=frozenset(), roles=(), signing_secret=None,
            ),
            room=room, room_sid=made.sid, clock=clock, roster=roster, executor=NoLanguage(),
            database=database,
        )  # fmt: skip
        observer = RoomObserver(
            room=room, room_sid=made.sid, room_name=name, clock=clock, rulebook=rulebook,
            vad=vad or VadModel(find_model("silero-vad", folder / "models")),
            recogniser=recogniser or PlannedRecogniser(), ledger=ledger,
            roster=roster, records=records,
            objects=open_objects(str(folder / "objects")), spool_dir=folder / "spool",
            signing_secret=None,
            on_empty=lambda: emptied.append(clock.now_s()),
        )  # fmt: skip
        token = (
            api.AccessToken(access.api_key, access.api_secret)
            .with_identity("earmark-observer-test")
            .with_kind("agent")
            .with_grants(api.VideoGrants(room_join=True, room=name, hidden=True, can_publish=False))
            .to_jwt()
        )

        async def connect() -> None:
            # As livekit-agents does with AUDIO_ONLY.
            await room.connect(access.url, token, rtc.RoomOptions(auto_subscribe=False))
            _apply_auto_subscribe_opts(room, AutoSubscribe.AUDIO_ONLY)

        ledger.start()
        await observer.start(connect)
        try:
            yield ObservedRoom(
                access=access, name=name, room_sid=made.sid, room=room, observer=observer,
                clock=clock, database=database, ledger=ledger, emptied=emptied,
            )  # fmt: skip
        finally:
            await observer.finish()
            await ledger.close()
            await room.disconnect()
            await client.room.delete_room(api.DeleteRoomRequest(room=name))
            database.close()


class Guest(Caller):
    """Somebody who joins with a token of the test's making.

    Args:
        where: The room.
        identity: Who joins.
        kind: LiveKit's kind of participant.
        attributes: Of the participant.
        options: Of the connection.
    """

    def __init__(
        self,
        where: ObservedRoom,
        identity: str,
        *,
        kind: api.AccessToken.ParticipantKind = "standard",
        attributes: dict[str, str] | None = None,
        options: rtc.RoomOptions | None = None,
    ) -> None:
        access = where.access
        self.identity = identity
        self.room = rtc.Room()
        self._url = access.url
        self._token = (
            api.AccessToken(access.api_key, access.api_secret)
            .with_identity(identity)
            .with_kind(kind)
            .with_attributes(attributes or {})
            .with_grants(
                api.VideoGrants(room_join=True, room=where.name, can_update_own_metadata=True)
            )
            .to_jwt()
        )
        self._source: rtc.AudioSource | None = None
        self._options = options or rtc.RoomOptions()

    async def join(self) -> None:
        """Come into the room."""
        await self.room.connect(self._url, self._token, self._options)

    @property
    def publication(self) -> rtc.LocalTrackPublication:
        """The microphone."""
        (publication,) = self.room.local_participant.track_publications.values()
        return publication
