"""The observer of one room: who is there, which tracks are heard, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.rtc.room import EventTypes

from realtime import metrics
from realtime.clock import CallClock
from realtime.ledger import CallLedger
from realtime.recognition import AsyncRecogniser
from realtime.room_records import RoomRecords
from realtime.roster import Roster, is_ours, is_ringing
from realtime.session import CallSession, OnUtterance
from realtime.supervisors import SupervisorSink
from realtime.track import SILENT_AFTER_S, Listening
from realtime.tracks import ObservedTracks
from realtime.trial import trial_engine
from rules.engine import Engine
from rules.rulebook import Rulebook
from rules.similarity import Embedder
from rules.types import Participant, Role, Utterance
from speech.vad import VadModel
from storage.objects import ObjectStore

log = logging.getLogger(__name__)

_TICK_S = 0.25
# How long the observer stays in a room where nobody is left: people do reconnect.
_EMPTY_AFTER_S = 15.0
# Somebody who was there this long before the observer may have said what nobody heard.
_LATE_AFTER_S = 2.0


class RoomObserver:
    """Listens to every audio track of one room.

    Args:
        room: Not yet connected.
        room_sid: The call.
        room_name: For the recordings' manifests.
        clock: The call clock.
        rulebook: The rules in force.
        vad: Speech detection weights.
        recogniser: Gives words.
        ledger: Keeps what must last.
        objects: Where recordings go; None records nothing.
        spool_dir: Folder of unfinished recordings.
        roster: Who is who.
        records: Tells of everything that happens.
        signing_secret: Signs data messages.
        on_empty: Called once when everybody has left.
        lost_since_s: Call-clock position until which an observer before this one had heard when it
            was lost; None if there was none.
        series: Follows the track's sid in the names of utterances and recordings. Observers of one
            call must differ in it, or the second would overwrite what the first one found.
    """

    def __init__(
        self,
        *,
        room: rtc.Room,
        room_sid: str,
        room_name: str,
        clock: CallClock,
        rulebook: Rulebook,
        embedder: Embedder | None = None,
        vad: VadModel,
        recogniser: AsyncRecogniser,
        ledger: CallLedger,
        objects: ObjectStore | None,
        spool_dir: Path,
        roster: Roster,
        records: RoomRecords,
        signing_secret: str | None,
        on_empty: Callable[[], None],
        lost_since_s: float | None = None,
        series: str = "",
    ) -> None:
        self._room = room
        self._lost_since_s = lost_since_s
        self._clock = clock
        self._ledger = ledger
        self._roster = roster
        self._records = records
        self._on_empty = on_empty
        self._sink = SupervisorSink(room, secret=signing_secret)
        self._session = CallSession(
            room_sid=room_sid,
            engine=Engine(rulebook.for_live(), embedder=embedder),
            clock=clock,
            sinks=(self._sink, ledger, records.flow, metrics.CountingSink()),
            on_utterance=_noting(ledger, records.flow.utterance),
            on_interim=metrics.count_utterance,
            judges=records.judges,
            trial=trial_engine(rulebook, embedder),
            trial_sinks=(ledger,),
        )
        ledger.on_gap = records.gap
        self._room_sid = room_sid
        listening = Listening(
            room_sid=room_sid,
            room_name=room_name,
            clock=clock,
            session=self._session,
            vad=vad,
            recogniser=recogniser,
            ledger=ledger,
            objects=objects,
            spool_dir=spool_dir,
            on_quality=records.quality,
        )
        self._joined = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracks = ObservedTracks(listening, series=series, hold=self._hold)
        self._ticker: asyncio.Task[None] | None = None
        self._empty_since_s: float | None = None
        self._handlers: dict[EventTypes, Callable[..., None]] = {
            "participant_connected": self._on_participant,
            "participant_active": self._on_participant,
            "participant_disconnected": self._on_participant_gone,
            "participant_attributes_changed": lambda _changed, p: self._on_participant(p),
            "participant_metadata_changed": lambda p, _old, _new: self._on_participant(p),
            "track_subscribed": self._on_track,
            "track_unsubscribed": lambda _track, pub, p: self._on_track_gone(pub, p),
            "track_unpublished": self._on_track_gone,
            "reconnected": self._on_reconnected,
            **records.handlers,
        }

    @property
    def heard_until_s(self) -> float:
        """Call-clock position before which everything has been judged."""
        return self._session.heard_until_s

    def queue_depths(self) -> Mapping[str, int]:
        """How much waits: chunks of audio, pieces of speech, rows."""
        n_chunks, n_segments = self._tracks.n_waiting
        return {"chunks": n_chunks, "segments": n_segments, "rows": self._ledger.n_waiting}

    async def start(self, connect: Callable[[], Awaitable[None]]) -> None:
        """Join the room and begin to listen.

        Args:
            connect: Joins the room; handlers are in place before it is called, so that no track
                that is already there goes unheard.
        """
        for event, handler in self._handlers.items():
            self._room.on(event, handler)
        self._records.start(self._session, is_heard=self._hears, hold=self._hold)
        await connect()
        # No wait from here to the last participant: an event in between would count twice.
        self._joined = True
        self._ledger.joined(self._clock.now_s())
        self._note_late_join()
        for participant in self._room.remote_participants.values():
            self._on_participant(participant)
            for publication in participant.track_publications.values():
                if publication.track is not None:
                    self._on_track(publication.track, publication, participant)
        self._ticker = asyncio.create_task(self._tick_forever(), name="observer-ticker")

    async def finish(self) -> None:
        """Settle everything while the room is still there: words, alerts, recordings, rows."""
        for event, handler in self._handlers.items():
            self._room.off(event, handler)
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._records.stop()
        self._tracks.end_all()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._records.settle()
        await self._session.end(self._clock.now_s())
        self._ledger.ended(self._clock.now_s())
        await self._records.flow.close()

    # Handlers are called by LiveKit without being awaited: they only start held tasks.

    def _hold(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "a part of the observer failed",
                extra={
                    "room_sid": self._room_sid,
                    "task": task.get_name(),
                    "error": type(error).__name__,
                },
            )

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        # Before it has joined, `start` will come to everybody.
        if self._joined and not is_ours(participant):
            self._hold(self._welcome(participant), "participant")

    async def _welcome(self, participant: rtc.RemoteParticipant) -> None:
        known = self._roster.get(participant.identity)
        person = self._roster.admit(participant)
        if known is not None and known.sid != person.sid:
            # Back under another sid, before or without a word that the first one is gone. Nothing
            # that was sent to that one has reached this one.
            self._sink.left(person.identity)
            self._records.gone(person.identity, known.sid)
        # What is sent to somebody who is still connecting does not arrive.
        is_active = participant.state == rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE
        self._records.welcome(person, participant.attributes, is_active=is_active)
        if person.role is not Role.SUPERVISOR:
            self._sink.left(person.identity)
        elif is_active:
            await self._sink.joined(person.identity)
        if is_ringing(participant):
            return  # told as a record; on the call from when somebody takes it up
        await self._session.participant(
            Participant(
                identity=person.identity,
                role=person.role,
                attributes=tuple(sorted(participant.attributes.items())),
            ),
            sid=person.sid,
        )
        self._ledger.participant(
            identity=participant.identity,
            role=person.role,
            kind=rtc.ParticipantKind.Name(participant.kind),
            joined_s=self._clock.now_s(),
        )

    def _on_participant_gone(self, participant: rtc.RemoteParticipant) -> None:
        # LiveKit may send no unsubscribe for a participant who left.
        self._tracks.end_all(participant.sid)
        known = self._roster.get(participant.identity)
        if is_ours(participant) or (known is not None and known.sid != participant.sid):
            return  # the identity is back under another sid, and that has been told
        self._sink.left(participant.identity)
        self._records.gone(participant.identity, participant.sid)
        successor = self._room.remote_participants.get(participant.identity)
        if successor is not None and successor.sid != participant.sid:
            return  # back in the same moment: nobody has left the call
        self._ledger.participant_left(participant.identity, self._clock.now_s())

    def _on_track(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if not self._joined or track.kind != rtc.TrackKind.KIND_AUDIO or is_ours(participant):
            return
        if publication.encryption_type != rtc.EncryptionType.NONE:
            # Without the key this is noise; listening to it would report "clean" for nothing.
            now_s = self._clock.now_s()
            self._ledger.gap(identity=participant.identity, kind="encrypted", start_s=now_s)
            return
        self._tracks.begin(track, publication, participant)

    def _on_track_gone(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._tracks.end((participant.sid, publication.sid))

    def _hears(self, identity: str, track_sid: str | None) -> bool:
        """Whether our own ear hears a track, or any track of somebody."""
        person = self._roster.get(identity)
        return self._tracks.hears(person.sid if person is not None else None, track_sid)

    def _on_reconnected(self) -> None:
        # After a full reconnect subscriptions may be gone without a sign: ask for them again.
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                if publication.kind == rtc.TrackKind.KIND_AUDIO:
                    publication.set_subscribed(True)

    def _note_late_join(self) -> None:
        """What was said before the observer came is a gap, not silence."""
        joined_s = self._clock.now_s()
        if self._lost_since_s is not None:
            self._ledger.gap(
                identity=None,
                kind="observer_lost",
                start_s=self._lost_since_s,
                end_s=joined_s,
            )
            return
        there_since_s = min(
            (
                (participant.joined_at - self._clock.call_started_at).total_seconds()
                for participant in self._people()
                if participant.joined_at is not None
            ),
            default=joined_s,
        )
        if joined_s - there_since_s > _LATE_AFTER_S:
            self._ledger.gap(
                identity=None,
                kind="late_join",
                start_s=max(0.0, there_since_s),
                end_s=joined_s,
            )

    def _people(self) -> Iterator[rtc.RemoteParticipant]:
        """Who is on the call; agents of ours are not."""
        for participant in self._room.remote_participants.values():
            if not is_ours(participant):
                yield participant

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = self._clock.now_s()
            self._tracks.watch(now_s)
            await self._session.advance(max(0.0, now_s - SILENT_AFTER_S))
            await self._records.tick(now_s)
            self._look_whether_empty(now_s)

    def _look_whether_empty(self, now_s: float) -> None:
        if any(True for _ in self._people()):
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = now_s
        elif now_s - self._empty_since_s > _EMPTY_AFTER_S:
            self._empty_since_s = now_s
            self._on_empty()


def _noting(ledger: CallLedger, on_utterance: OnUtterance) -> OnUtterance:
    """The same, with each utterance counted, and noted who spoke when."""

    async def noted(utterance: Utterance) -> None:
        await metrics.count_utterance(utterance)
        if utterance.speaker is not None:
            ledger.spoke(utterance.speaker, utterance.span)
        await on_utterance(utterance)

    return noted
