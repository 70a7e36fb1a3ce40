"""The flow of one call's records: made in the order of what happened, kept, and handed on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from realtime.alerts import Alert
from realtime.clock import Clock
from realtime.errors import LanguageError
from realtime.forwarders.forwarder import Forwarder
from realtime.language import AsyncLanguage
from realtime.record_buffer import RecordBuffer
from realtime.records import Record, RecordType
from realtime.roster import Person, Roster
from rules.types import Utterance

log = logging.getLogger(__name__)

# Records that wait for their words to be read: minutes of a busy call.
_MAX_WAITING = 1000
# How long the end of a call waits for the last records to be made.
_CLOSE_TIMEOUT_S = 10.0
# What one speaker said before, so that numbers over two utterances are covered as one.
_MAX_BEFORE_CHARS = 400
_MAX_SPEAKERS = 500
SPEECH = "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record before its words have been read."""

    type: RecordType
    person: Person | None
    participant_sid: str | None
    at_s: float
    recorded_at: datetime
    content: str = field(repr=False)
    metadata: Mapping[str, Any]
    is_speech: bool = False  # content is what somebody said: to be read and covered


class RecordFlow:
    """Makes one call's records and hands them on; also takes alerts, as a sink.

    Nothing here waits for anybody: whoever notes something goes on at once. A record that cannot be
    taken is counted.

    Args:
        room_sid: The call.
        clock: The call clock.
        roster: Who is who.
        language: Reads what was said.
        forwarders: Where records go; without any, none are made.
        buffer: Keeps the newest ones.
    """

    def __init__(
        self,
        *,
        room_sid: str,
        clock: Clock,
        roster: Roster,
        language: AsyncLanguage,
        forwarders: Sequence[Forwarder],
        buffer: RecordBuffer,
    ) -> None:
        self._room_sid = room_sid
        self._clock = clock
        self._roster = roster
        self._language = language
        self._forwarders = tuple(forwarders)
        self._buffer = buffer
        self._drafts: asyncio.Queue[Draft] = asyncio.Queue(_MAX_WAITING)
        self._before: dict[str | None, str] = {}
        self._maker: asyncio.Task[None] | None = None
        self.n_lost = 0  # drafts that nobody could make into records in time

    def start(self) -> None:
        """Begin to make and hand on records."""
        for forwarder in self._forwarders:
            forwarder.start()
        self._maker = asyncio.create_task(self._make_forever(), name="record-maker")

    async def close(self) -> None:
        """Make and hand on what is left, for as long as may be waited."""
        if self._maker is None:
            return
        try:
            await asyncio.wait_for(self._drafts.join(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            self.n_lost += self._drafts.qsize()
        self._maker.cancel()
        await asyncio.gather(self._maker, return_exceptions=True)
        await asyncio.gather(*(forwarder.close() for forwarder in self._forwarders))
        if self.n_lost:
            log.warning(
                "records were lost", extra={"room_sid": self._room_sid, "count": self.n_lost}
            )

    def note(
        self,
        type_: RecordType,
        content: str,
        *,
        identity: str | None = None,
        at_s: float | None = None,
        metadata: Mapping[str, object] | None = None,
        **more: object,
    ) -> None:
        """Something happened; `content` and metadata are in words of our own."""
        person = self._roster.get(identity)
        sid = person.sid if person else None
        self._put(type_, content, person, sid, at_s, {**(metadata or {}), **more})

    def said(
        self,
        text: str,
        *,
        identity: str | None,
        at_s: float,
        type_: RecordType = RecordType.UTTERANCE,
        **metadata: object,
    ) -> None:
        """Somebody said or wrote something, which the rules have had already."""
        person = self._roster.get(identity)
        sid = person.sid if person else None
        self._put(type_, text, person, sid, at_s, metadata, is_speech=True)

    async def utterance(self, utterance: Utterance) -> None:
        """Take an utterance on its way through the session; interim ones are no records."""
        if not utterance.is_final or not utterance.text.strip():
            return
        known = [word.confidence for word in utterance.words if word.confidence is not None]
        self.said(
            utterance.text,
            identity=utterance.speaker,
            at_s=utterance.span.end_s,
            utterance_id=utterance.id,
            start_s=round(utterance.span.start_s, 3),
            end_s=round(utterance.span.end_s, 3),
            confidence=round(sum(known) / len(known), 3) if known else None,
            source=source_of(utterance.id),
        )

    async def publish(self, alert: Alert) -> None:
        """Take an alert: it is a record too."""
        hit = alert.hit
        self._put(
            RecordType.ALERT,
            hit.excerpt,
            self._roster.get(hit.speaker),
            alert.participant_sid,
            alert.raised_s,
            {
                "rule": hit.rule_id,
                "rule_version": hit.rule_version,
                "severity": hit.severity.value,
                "state": hit.state.value,
                "hit_id": hit.id,
                "start_s": round(hit.span.start_s, 3),
                "end_s": round(hit.span.end_s, 3),
            },
        )

    def _put(
        self,
        type_: RecordType,
        content: str,
        person: Person | None,
        sid: str | None,
        at_s: float | None,
        metadata: Mapping[str, object],
        *,
        is_speech: bool = False,
    ) -> None:
        if not self._forwarders:
            return
        draft = Draft(
            type=type_,
            person=person,
            participant_sid=sid,
            at_s=self._clock.now_s() if at_s is None else at_s,
            recorded_at=datetime.now(UTC),
            content=content,
            metadata=metadata,
            is_speech=is_speech,
        )
        try:
            self._drafts.put_nowait(draft)
        except asyncio.QueueFull:
            self.n_lost += 1

    async def _make_forever(self) -> None:
        while True:
            draft = await self._drafts.get()
            try:
                record = await self._made(draft)
                self._buffer.add(record)
                for forwarder in self._forwarders:
                    forwarder.put(record)
            except Exception as exc:  # one record that cannot be made must not stop the others
                self.n_lost += 1
                log.error(
                    "a record could not be made",
                    extra={"room_sid": self._room_sid, "error": type(exc).__name__},
                )
            finally:
                self._drafts.task_done()

    async def _made(self, draft: Draft) -> Record:
        content, plain, metadata = draft.content, None, dict(draft.metadata)
        if draft.is_speech:
            plain = draft.content
            content, read = await self._read(draft)
            metadata |= read
        return Record(
            id=uuid4().hex,
            room_sid=self._room_sid,
            participant_sid=draft.participant_sid,
            role=draft.person.role if draft.person else None,
            kind=draft.person.kind if draft.person else None,
            type=draft.type,
            content=content,
            at_s=draft.at_s,
            recorded_at=draft.recorded_at,
            metadata=metadata,
            plain=plain,
        )

    async def _read(self, draft: Draft) -> tuple[str, dict[str, object]]:
        speaker = draft.participant_sid
        before = self._before.pop(speaker, "")  # put back last, so that the oldest stands first
        if len(self._before) >= _MAX_SPEAKERS:
            self._before.pop(next(iter(self._before)))
        self._before[speaker] = f"{before} {draft.content}"[-_MAX_BEFORE_CHARS:]
        try:
            reading = await self._language.read(draft.content, before=before)
        except LanguageError:
            log.warning(
                "words stay out of a record: they could not be read",
                extra={"room_sid": self._room_sid},
            )
            # Words that were not looked through may hold anything: they are not sent masked.
            return "", {"withheld": True}
        return reading.masked, {
            "sentiment": reading.sentiment,
            "keywords": list(reading.keywords),
            "keywords_by": reading.keywords_by,
            "names_covered": reading.names_covered,
        }


def source_of(utterance_id: str) -> str:
    """Where the words of an utterance come from: our own ear, or a topic that texts came on."""
    source, _, _ = utterance_id.partition(":")
    return source if source != utterance_id else SPEECH
