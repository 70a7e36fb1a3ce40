"""Listens to what a room sends as text: text streams and data messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from livekit import rtc

from realtime import data_topics
from realtime.clock import Clock
from realtime.data_topics import SentText
from realtime.roster import is_ours
from realtime.text_intake import Text, TextIntake

log = logging.getLogger(__name__)

STREAM_TOPIC = "lk.transcription"
_SEGMENT = "lk.segment_id"
_TRACK = "lk.transcribed_track_id"
_FINAL = "lk.transcription_final"
TEXT_STREAM = "text_stream"
_MAX_STREAMS = 64
# An agent may speak for long in one stream; a stream that stands still must not hold up deadlines.
_STALLED_AFTER_S = 30.0
_AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT

Hold = Callable[[Coroutine[Any, Any, None], str], None]


class RoomTexts:
    """Takes the texts of one room.

    Args:
        room: The observer's room.
        room_sid: For the log.
        intake: Where texts go.
        clock: The call clock.
        hold: Starts a task and keeps it.
    """

    def __init__(
        self, room: rtc.Room, *, room_sid: str, intake: TextIntake, clock: Clock, hold: Hold
    ) -> None:
        self._room = room
        self._room_sid = room_sid
        self._intake = intake
        self._clock = clock
        self._hold = hold
        self._readers: set[rtc.TextStreamReader] = set()
        self.n_refused = 0  # messages that could not be read, or named somebody they may not

    def start(self) -> None:
        """Begin to listen; to be called before the room is joined."""
        self._room.register_text_stream_handler(STREAM_TOPIC, self._on_stream)
        self._room.on("data_received", self._on_data)

    def stop(self) -> None:
        """Listen no more, and take what is there of streams that are open."""
        self._room.unregister_text_stream_handler(STREAM_TOPIC)
        self._room.off("data_received", self._on_data)
        for reader in tuple(self._readers):
            reader.close()
        if self.n_refused:
            log.warning(
                "texts were refused", extra={"room_sid": self._room_sid, "count": self.n_refused}
            )

    def _on_stream(self, reader: rtc.TextStreamReader, identity: str) -> None:
        sender = self._room.remote_participants.get(identity)
        if len(self._readers) >= _MAX_STREAMS or (sender is not None and is_ours(sender)):
            self.n_refused += 1
            reader.close()
            return
        self._readers.add(reader)
        self._hold(self._read(reader, identity), "text-stream")

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        began_s = self._clock.now_s()
        attributes = reader.info.attributes or {}
        speaker, by_itself = self._speaker_of(identity, attributes.get(_TRACK))
        coming = self._intake.opened(began_s, speaker=speaker, by_itself=by_itself)
        try:
            words, is_whole = await self._words(reader)
            attributes = reader.info.attributes or {}  # those of the end are there now
            if words:
                await self._intake.take(
                    Text(
                        source=TEXT_STREAM,
                        speaker=speaker,
                        text=words,
                        began_s=began_s,
                        ended_s=self._clock.now_s(),
                        track_sid=attributes.get(_TRACK),
                        segment_id=attributes.get(_SEGMENT),
                        is_final=is_whole and attributes.get(_FINAL, "true") == "true",
                        by_itself=by_itself,
                    )
                )
        finally:
            self._intake.closed(coming)
            self._readers.discard(reader)
            reader.close()

    async def _words(self, reader: rtc.TextStreamReader) -> tuple[str, bool]:
        """What a stream brings, and whether it came to its end."""
        pieces: list[str] = []
        n_chars = 0
        chunks = aiter(reader)
        try:
            while n_chars < data_topics.MAX_CHARS:
                chunk = await asyncio.wait_for(anext(chunks), _STALLED_AFTER_S)
                pieces.append(chunk)
                n_chars += len(chunk)
        except StopAsyncIteration:
            return "".join(pieces), True
        except (TimeoutError, rtc.StreamError):
            # What came before was said all the same.
            return "".join(pieces), False
        self.n_refused += 1  # the rest of it
        return "".join(pieces)[: data_topics.MAX_CHARS], False

    def _speaker_of(self, identity: str, track_sid: str | None) -> tuple[str | None, bool]:
        """Whose words they are, and whether that is who sent them.

        LiveKit lets only agents send in somebody else's name.
        """
        owner = self._owner_of(track_sid)
        sender = self._room.remote_participants.get(identity)
        if owner is not None and owner != identity and (sender is None or sender.kind == _AGENT):
            return owner, False
        return identity or None, sender is not None and sender.kind == _AGENT

    def _owner_of(self, track_sid: str | None) -> str | None:
        if track_sid is None:
            return None
        return next(
            (
                participant.identity
                for participant in self._room.remote_participants.values()
                if track_sid in participant.track_publications
            ),
            None,
        )

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic not in data_topics.TOPICS:
            return
        if packet.participant is not None and is_ours(packet.participant):
            return
        texts = data_topics.texts_in(packet.data)
        if texts is None:
            self.n_refused += 1
            return
        for sent in texts:
            self._take(sent, packet.participant, packet.topic)

    def _take(self, sent: SentText, sender: rtc.RemoteParticipant | None, topic: str) -> None:
        speaker, is_allowed = self._named(sent, sender)
        if not is_allowed:
            self.n_refused += 1
            return
        now_s = self._clock.now_s()
        text = Text(
            source=topic,
            speaker=speaker,
            text=sent.text,
            began_s=now_s,
            ended_s=now_s,
            track_sid=sent.track_sid,
            segment_id=sent.segment_id,
            is_final=sent.is_final,
            by_itself=sender is not None and sender.kind == _AGENT and speaker == sender.identity,
        )
        self._hold(self._intake.take(text), "text-message")

    def _named(
        self, sent: SentText, sender: rtc.RemoteParticipant | None
    ) -> tuple[str | None, bool]:
        """Whose words a message holds, and whether its sender may say so.

        Agents and the server may name others. A person may not put words into another's mouth.
        """
        people = self._room.remote_participants
        named = sent.speaker if sent.speaker in people else self._owner_of(sent.track_sid)
        if sender is None:  # the server, or a hidden agent
            return named, True
        if named is None or named == sender.identity:
            return sender.identity, True
        return named, sender.kind == _AGENT
