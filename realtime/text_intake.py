"""Texts that others send of what was said: judged once, by the ear or by the text, never twice."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from realtime.clock import Clock
from realtime.record_flow import RecordFlow, source_of
from realtime.records import RecordType
from realtime.session import CallSession
from rules.types import Span, Utterance, utterance_from_text

log = logging.getLogger(__name__)

# A text that replaces itself until it is final counts as final when it changes no more.
_SETTLED_AFTER_S = 10.0
_MAX_OPEN_SEGMENTS = 200
# An agent that sends the same words on two ways is taken once.
_SAME_WITHIN_S = 10.0
_MAX_RECENT = 100
# A data message tells when it was sent, not when its words were said: they get so much time before.
_SAID_WITHIN_S = 0.9
_CLAIMED_RATIO = 0.5
_TOLERANCE_S = 1.0  # the text of a voice comes about as the voice does
_MAX_CLAIMS = 200
_MAX_DECIDED = 1000


class Precedence(StrEnum):
    """Which words of an AI agent's voice the rules judge, where there are two."""

    EAR = "ear"  # what we hear
    TEXT = "text"  # what the agent says that it said


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words that came as text."""

    source: str  # "text_stream", "transcription" or "agent_response"
    speaker: str | None = field(repr=False)
    text: str = field(repr=False)
    began_s: float  # call clock
    ended_s: float
    track_sid: str | None = None
    segment_id: str | None = None
    is_final: bool = True
    by_itself: bool = False  # the speaker sent it, rather than somebody who listened


class OpenText:
    """A text that is coming in; until it is there, nobody may take the time for silence.

    Args:
        began_s: Call clock.
    """

    def __init__(self, began_s: float) -> None:
        self.heard_until_s = began_s


class TextIntake:
    """Decides what is judged, and feeds it to the session.

    Args:
        session: Where utterances go.
        flow: Where records go.
        clock: The call clock.
        is_heard: Tells whether our ear hears (identity, track sid or None for any track).
        precedence: Whose words count where a voice has both.
    """

    def __init__(
        self,
        *,
        session: CallSession,
        flow: RecordFlow,
        clock: Clock,
        is_heard: Callable[[str, str | None], bool],
        precedence: Precedence,
    ) -> None:
        self._session = session
        self._flow = flow
        self._clock = clock
        self._is_heard = is_heard
        self._precedence = precedence
        self._open: dict[tuple[str | None, str], Text] = {}
        self._recent: deque[tuple[str | None, int, float]] = deque(maxlen=_MAX_RECENT)
        self._claims: deque[tuple[str, float, float]] = deque(maxlen=_MAX_CLAIMS)
        self._coming: dict[OpenText, str] = {}  # who is claimed to be speaking
        self._decided: dict[str, bool] = {}
        self._n_texts = 0

    def opened(self, began_s: float, *, speaker: str | None, by_itself: bool) -> OpenText:
        """A text begins to come in."""
        coming = OpenText(began_s)
        self._session.listen(coming)
        if speaker is not None and by_itself and self._precedence is Precedence.TEXT:
            self._coming[coming] = speaker
        return coming

    def closed(self, coming: OpenText) -> None:
        """A text is there, or will never be."""
        self._coming.pop(coming, None)
        self._session.forget(coming)

    async def take(self, text: Text) -> None:
        """Take a text, or a state of one that is not final yet."""
        if not text.text.strip():
            return
        if text.segment_id is None:
            await self._settle(text)
            return
        key = (text.speaker, text.segment_id)
        earlier = self._open.pop(key, None)
        if earlier is not None:
            text = replace(text, began_s=min(text.began_s, earlier.began_s))
        if text.is_final:
            await self._settle(text)
            return
        if len(self._open) >= _MAX_OPEN_SEGMENTS:
            await self._settle(self._open.pop(next(iter(self._open))))
        self._open[key] = text

    async def settle_old(self, now_s: float) -> None:
        """What has not changed for a while will not change any more."""
        for key, text in tuple(self._open.items()):
            if now_s - text.ended_s > _SETTLED_AFTER_S and self._open.pop(key, None) is not None:
                await self._settle(text)

    async def settle_all(self) -> None:
        """The call ends: what is there is all there will be."""
        while self._open:
            await self._settle(self._open.pop(next(iter(self._open))))

    def judges(self, utterance: Utterance) -> bool:
        """Whether the rules may have what our ear heard; a record is made where they may not."""
        if self._precedence is Precedence.EAR or source_of(utterance.id) != "speech":
            return True
        if utterance.id not in self._decided:
            if len(self._decided) >= _MAX_DECIDED:
                self._decided.pop(next(iter(self._decided)))
            # Decided once: guesses and final words of one piece must have one way.
            self._decided[utterance.id] = not self._is_claimed(utterance)
        if self._decided[utterance.id]:
            return True
        if utterance.is_final:
            self._flow.said(
                utterance.text,
                identity=utterance.speaker,
                at_s=utterance.span.end_s,
                type_=RecordType.TRANSCRIPTION,
                source="speech",
                judged=False,
            )
        return False

    async def _settle(self, text: Text) -> None:
        if self._is_repeated(text):
            return
        is_heard = text.speaker is not None and self._is_heard(text.speaker, text.track_sid)
        counts = self._precedence is Precedence.TEXT and text.by_itself
        if is_heard and not counts:
            self._flow.said(
                text.text,
                identity=text.speaker,
                at_s=text.ended_s,
                type_=RecordType.TRANSCRIPTION,
                source=text.source,
                judged=False,
            )
            return
        if is_heard and text.speaker is not None:
            self._claims.append((text.speaker, text.began_s, text.ended_s))
        self._n_texts += 1
        await self._session.utterance(
            utterance_from_text(
                text.text,
                self._span(text),
                id=f"{text.source}:{self._n_texts}",
                speaker=text.speaker,
            )
        )

    def _span(self, text: Text) -> Span:
        """Where the words lie; not before what has been promised to be silence."""
        began_s = max(
            min(text.began_s, text.ended_s - _SAID_WITHIN_S), self._session.heard_until_s, 0.0
        )
        return Span(began_s, max(text.ended_s, began_s + 0.01))

    def _is_repeated(self, text: Text) -> bool:
        now_s = self._clock.now_s()
        same = hash(" ".join(text.text.lower().split()))
        for speaker, words, at_s in self._recent:
            if (speaker, words) == (text.speaker, same) and now_s - at_s < _SAME_WITHIN_S:
                return True
        self._recent.append((text.speaker, same, now_s))
        return False

    def _is_claimed(self, utterance: Utterance) -> bool:
        """Whether at least half of an utterance lies in texts of the same speaker."""
        pieces = [(began, end) for who, began, end in self._claims if who == utterance.speaker]
        pieces += [
            (coming.heard_until_s, self._clock.now_s())
            for coming, who in self._coming.items()
            if who == utterance.speaker
        ]
        span = utterance.span
        covered_s, reached_s = 0.0, span.start_s
        for began_s, ended_s in sorted(pieces):
            began_s, ended_s = began_s - _TOLERANCE_S, ended_s + _TOLERANCE_S
            covered_s += max(0.0, min(ended_s, span.end_s) - max(began_s, reached_s))
            reached_s = max(reached_s, ended_s)
        return covered_s >= _CLAIMED_RATIO * span.duration_s
