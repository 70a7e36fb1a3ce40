"""The analyst of one room: asks for its records, keeps their history, tells what it makes of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from livekit import api, rtc

from realtime.analyst_llm import LlmAnalyst, LlmOpinion
from realtime.call_history import CallHistory
from realtime.envelope import unseal
from realtime.errors import LanguageError, LiveKitUnavailableError
from realtime.forwarders.supervisors import SupervisorForwarder
from realtime.record_flow import RecordFlow
from realtime.records import TOPIC, RecordType, record_of
from realtime.roster import Roster, is_ours
from realtime.subscription import ASK_EVERY_S, REQUEST_TOPIC, subscription
from rules.types import Role

log = logging.getLogger(__name__)

_TICK_S = 0.5
# Before the first record, the observer may not be there yet, or not have got the request.
_ASK_FIRST_EVERY_S = 2.0
_EMPTY_AFTER_S = 15.0
# At the end of a call, the model gets so long; what runs then must end before the room is gone.
_LAST_TIMEOUT_S = 8.0
# After so many failures in a row the model is left alone for a while.
_MAX_FAILURES = 3
_PAUSE_S = 300.0

ListObservers = Callable[[], Awaitable[tuple[str, ...]]]


class RoomAnalyst:
    """Analyses the call in one room.

    Args:
        room: Not yet connected.
        room_sid: The call.
        identity: Of the analyst in the room.
        secret: Proves requests, and that records are the observer's.
        observers: Gives the identities of the observers in the room.
        roster: Who is who.
        flow: Where analyses go, as records.
        receivers: Sends them to the supervisors in the room.
        llm: A language model; None analyses locally.
        every_s: How often a call is analysed while it goes on.
        on_empty: Called once when everybody has left.
    """

    def __init__(
        self,
        *,
        room: rtc.Room,
        room_sid: str,
        identity: str,
        secret: str,
        observers: ListObservers,
        roster: Roster,
        flow: RecordFlow,
        receivers: SupervisorForwarder,
        llm: LlmAnalyst | None,
        every_s: float,
        on_empty: Callable[[], None],
    ) -> None:
        self._room = room
        self._room_sid = room_sid
        self._identity = identity
        self._secret = secret
        self._observers = observers
        self._roster = roster
        self._flow = flow
        self._receivers = receivers
        self._llm = llm
        self._every_s = every_s
        self._on_empty = on_empty
        self._history = CallHistory()
        self._n_told = 0  # of what is new, how much the newest analysis knew
        self._n_new = 0
        self.n_refused = 0  # messages on our topic that did not prove where they come from
        self._n_failures = 0
        self._paused_until_s = 0.0
        self._empty_since_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, connect: Callable[[], Awaitable[None]]) -> None:
        """Join the room and begin."""
        self._room.on("data_received", self._on_data)
        self._room.on("participant_connected", self._welcome)
        self._room.on("participant_active", self._welcome)
        self._room.on("participant_attributes_changed", self._on_changed)
        self._room.on("participant_disconnected", self._on_gone)
        self._flow.start()
        await connect()
        for participant in self._room.remote_participants.values():
            self._welcome(participant)
        self._task = asyncio.create_task(self._run(), name="analyst")

    async def finish(self) -> None:
        """Tell a last analysis while the room is still there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._room.off("data_received", self._on_data)
        if self._history.n_utterances or self._n_new:
            await self._tell(final=True)
        await self._flow.close()
        if self._llm is not None:
            await self._llm.close()
        if self.n_refused:
            log.warning(
                "records were refused: they do not prove where they come from",
                extra={"room_sid": self._room_sid, "count": self.n_refused},
            )

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        body = unseal(packet.data, self._secret)
        record = record_of(body) if body is not None else None
        if record is None or record.room_sid != self._room_sid:
            self.n_refused += 1
        elif record.type is not RecordType.ANALYSIS and self._history.take(record):
            self._n_new += 1

    def _welcome(self, participant: rtc.RemoteParticipant) -> None:
        if is_ours(participant):
            return
        person = self._roster.admit(participant)
        if person.role is not Role.SUPERVISOR:
            self._receivers.left(person.identity)
        elif participant.state == rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE:
            self._receivers.joined(person.identity)

    def _on_changed(self, _changed: object, participant: rtc.Participant) -> None:
        if isinstance(participant, rtc.RemoteParticipant):
            self._welcome(participant)

    def _on_gone(self, participant: rtc.RemoteParticipant) -> None:
        self._receivers.left(participant.identity)

    async def _run(self) -> None:
        asked_s, told_s = float("-inf"), time.monotonic()
        while True:
            now_s = time.monotonic()
            wait_s = ASK_EVERY_S if self._n_new else _ASK_FIRST_EVERY_S
            if now_s - asked_s >= wait_s:
                asked_s = now_s
                await self._ask()
            if now_s - told_s >= self._every_s and self._n_new > self._n_told:
                await self._tell(final=False)
                told_s = time.monotonic()
            self._look_whether_empty(now_s)
            await asyncio.sleep(_TICK_S)

    async def _ask(self) -> None:
        try:
            observers = await self._observers()
            if observers:  # an empty list of destinations would reach everybody
                await self._room.local_participant.publish_data(
                    subscription(
                        identity=self._identity, room_sid=self._room_sid, secret=self._secret
                    ),
                    destination_identities=list(observers),
                    topic=REQUEST_TOPIC,
                )
        except (LiveKitUnavailableError, rtc.participant.PublishDataError, RuntimeError) as exc:
            log.warning(
                "the observer could not be asked for records",
                extra={"room_sid": self._room_sid, "error": type(exc).__name__},
            )

    async def _tell(self, *, final: bool) -> None:
        self._n_told = self._n_new
        analysis = self._history.analyse()
        metadata = analysis.as_metadata() | {"by": "local", "final": final}
        content = analysis.summary()
        if self._llm is not None:
            try:
                opinion = await self._opinion(self._llm, final=final)
            except LanguageError as exc:
                # Said in the record itself: whoever reads it must know what it rests on.
                metadata["llm_failed"] = str(exc)
                log.warning(
                    "the language model gave no opinion; the local one stands",
                    extra={"room_sid": self._room_sid, "reason": str(exc)},
                )
            else:
                masked = opinion.masked()
                metadata |= {"by": "llm", "llm": masked}
                content = f"{content} Model: {masked['summary']}"
        self._flow.note(RecordType.ANALYSIS, content, metadata=metadata)

    async def _opinion(self, llm: LlmAnalyst, *, final: bool) -> LlmOpinion:
        now_s = time.monotonic()
        if now_s < self._paused_until_s:
            raise LanguageError("paused after failures")
        try:
            opinion = await llm.opinion(
                self._history.lines(),
                self._history.analyse(),
                timeout_s=_LAST_TIMEOUT_S if final else None,
            )
        except LanguageError:
            self._n_failures += 1
            if self._n_failures >= _MAX_FAILURES:
                self._n_failures, self._paused_until_s = 0, now_s + _PAUSE_S
            raise
        self._n_failures = 0
        return opinion

    def _look_whether_empty(self, now_s: float) -> None:
        if self._room.remote_participants:
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = now_s
        elif now_s - self._empty_since_s > _EMPTY_AFTER_S:
            self._empty_since_s = now_s
            self._on_empty()


async def observers_in(client: api.LiveKitAPI, room_name: str, prefix: str) -> tuple[str, ...]:
    """Identities of the observers in a room; only the server's own list has them."""
    found = await client.room.list_participants(api.ListParticipantsRequest(room=room_name))
    return tuple(
        participant.identity
        for participant in found.participants
        if participant.kind == api.ParticipantInfo.AGENT and participant.identity.startswith(prefix)
    )
