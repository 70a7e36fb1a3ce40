"""livekit-agents STTs that are scripted from plain data: the services' side of the edge."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, stt
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, TimedString
from livekit.agents.utils import AudioBuffer, merge_frames


@dataclass
class Script:
    """What a service writes: its text, as far as it has heard that much."""

    words: tuple[tuple[str, float, float], ...] = ()  # text, start_s, end_s
    is_timed: bool = True  # whether it gives the times of words
    fails: bool = False
    recovers: bool = False  # after it has failed once
    n_failed: int = 0
    never_ends: bool = False
    heard_s: list[float] = field(default_factory=list)  # length of each piece

    def fail(self) -> None:
        """Break, where that is the plan."""
        if self.fails:
            self.fails = not self.recovers
            self.n_failed += 1
            raise APIConnectionError("the service said something personal")

    def data(self, heard_s: float) -> stt.SpeechData:
        """What is written of so much sound."""
        said = [word for word in self.words if word[1] < heard_s]
        timed = [TimedString(text, start_time=start, end_time=end) for text, start, end in said]
        return stt.SpeechData(
            language=LanguageCode("en"),
            text=" ".join(text for text, _, _ in said),
            confidence=0.8,
            words=timed if self.is_timed else None,
        )


class WholeStt(stt.STT[Any]):
    """Recognises whole pieces only."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self.script = script or Script()

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: object = NOT_GIVEN, conn_options: object
    ) -> stt.SpeechEvent:
        self.script.fail()
        heard_s = merge_frames(buffer).duration
        self.script.heard_s.append(heard_s)
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[self.script.data(heard_s)]
        )


class StreamingStt(stt.STT[Any]):
    """Writes interim words with every frame, and final ones at the end."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.script = script or Script()
        self.n_open = 0

    async def _recognize_impl(self, *args: object, **kwargs: object) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self, *, language: object = NOT_GIVEN, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS
    ) -> "ScriptedStream":
        """A stream of its own for each piece."""
        self.n_open += 1
        return ScriptedStream(self, conn_options)


class ScriptedStream(stt.RecognizeStream):
    """Hears frames and writes by the script."""

    def __init__(self, of: StreamingStt, conn_options: Any) -> None:
        super().__init__(stt=of, conn_options=conn_options)
        self._of = of

    async def _run(self) -> None:
        script, heard_s = self._of.script, 0.0
        async for frame in self._input_ch:
            script.fail()
            if isinstance(frame, rtc.AudioFrame):
                heard_s += frame.duration
                self._write(stt.SpeechEventType.INTERIM_TRANSCRIPT, heard_s)
        if script.never_ends:
            await asyncio.Event().wait()
        script.heard_s.append(heard_s)
        self._write(stt.SpeechEventType.FINAL_TRANSCRIPT, heard_s)

    def _write(self, type: stt.SpeechEventType, heard_s: float) -> None:
        self._event_ch.send_nowait(
            stt.SpeechEvent(type=type, alternatives=[self._of.script.data(heard_s)])
        )

    async def aclose(self) -> None:
        """Count what is let go of."""
        self._of.n_open -= 1
        await super().aclose()


class FailingStt(WholeStt):
    """A service that is down."""

    def __init__(self) -> None:
        super().__init__(Script(fails=True))


class NeedsKey(WholeStt):
    """Cannot be set up without a key."""

    def __init__(self) -> None:
        raise ValueError("the key sk-123 is wrong")
