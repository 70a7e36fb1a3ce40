"""Speech to text by any livekit-agents plugin, in the place of the built-in recogniser.

A plugin that streams gets a stream for each piece of speech that our own voice activity detection
finds, and with it the sound as it grows; one that does not is asked about whole pieces. So cuts,
times and promises are the same as with the built-in recogniser.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import stt
from livekit.agents.types import APIConnectOptions
from livekit.agents.utils import is_given
from numpy.typing import NDArray

from realtime.errors import PluginError, RecognitionError
from realtime.live_recogniser import BUILT_IN
from realtime.recognition import AsyncRecogniser, Guesses
from realtime.ticket import Ticket
from rules.types import Span, words_from_text
from speech.audio import SAMPLE_RATE_HZ
from speech.recogniser import RecognisedWord, Recognition, clamped

# How long the last words of a piece may take after its end.
_FINAL_TIMEOUT_S = 10.0
# Tries are made here: where livekit-agents makes them, it logs what the service said, and that may
# hold anything. More than two would come too late to be of use live.
_CONNECT = APIConnectOptions(max_retry=0, timeout=_FINAL_TIMEOUT_S)
_RETRY_AFTER_S = 0.2
_PCM16_MAX = 32767


def load_plugin(name: str) -> stt.STT[Any]:
    """Set up a speech-to-text plugin.

    Args:
        name: Of a LiveKit plugin, such as `deepgram`; or `module:Class`, a class without required
            arguments. Keys and models are set as the plugin wants them, as a rule by environment
            variables.

    Raises:
        PluginError: it is not installed, is none, or refuses to be set up.
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        module_name, class_name = f"livekit.plugins.{name}", "STT"
    try:
        module = import_module(module_name)
    except ImportError as exc:
        if exc.name is not None and (module_name + ".").startswith(exc.name + "."):
            package = f"livekit-plugins-{name.replace('_', '-')}"
            mend = f"install {package}" if ":" not in name else "see that it can be imported"
            raise PluginError(
                f"setting live_stt: the module {module_name} is not there; {mend}, or set "
                f"EARMARK_LIVE_STT={BUILT_IN}"
            ) from None
        raise PluginError(
            f"setting live_stt: {module_name} needs {exc.name or 'a package'}, which cannot be "
            "imported"
        ) from None
    factory = getattr(module, class_name, None)
    if not callable(factory):
        raise PluginError(f"setting live_stt: {module_name} has no {class_name}")
    try:
        plugin = factory()
    except Exception as exc:
        # Foreign code, and its message could hold a key.
        raise PluginError(
            f"setting live_stt: {module_name}:{class_name} cannot be set up "
            f"({type(exc).__name__}); see which variables it needs, such as its key"
        ) from None
    if not isinstance(plugin, stt.STT):
        raise PluginError(f"setting live_stt: {module_name}:{class_name} is no livekit-agents STT")
    if not (plugin.capabilities.streaming or plugin.capabilities.offline_recognize):
        raise PluginError(f"setting live_stt: {module_name}:{class_name} recognises nothing")
    return plugin


class PluginRecogniser:
    """A plugin as a recogniser.

    Args:
        plugin: Set up; closed with this.
    """

    def __init__(self, plugin: stt.STT[Any]) -> None:
        self._plugin = plugin
        self.second: AsyncRecogniser | None = None
        self._streams: dict[str, _PieceStream] = {}  # by lane
        self._is_streaming = plugin.capabilities.streaming
        can_guess = self._is_streaming and plugin.capabilities.interim_results
        # Asking a service about every growing piece would multiply its bill.
        self.guesses = Guesses.UNSURE if can_guess else Guesses.NONE

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Recognise a piece of speech; see `AsyncRecogniser`."""
        try:
            return await self._tried(samples, ticket)
        except RecognitionError:
            if not ticket.is_final:
                raise
        await asyncio.sleep(_RETRY_AFTER_S)
        return await self._tried(samples, ticket)

    async def _tried(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        try:
            if not self._is_streaming:
                return await self._whole(samples)
            return await self._streamed(samples, ticket)
        except TimeoutError:
            raise RecognitionError("no answer in time") from None
        except RecognitionError:
            raise
        except Exception as exc:
            # Foreign code: its errors are many, and their messages could hold what was said.
            raise RecognitionError(type(exc).__name__) from None

    async def aclose(self) -> None:
        """Close streams and plugin."""
        streams = list(self._streams.values())
        self._streams.clear()
        await asyncio.gather(*(stream.aclose() for stream in streams), return_exceptions=True)
        await self._plugin.aclose()

    async def _whole(self, samples: NDArray[np.float32]) -> Recognition:
        async with asyncio.timeout(2 * _FINAL_TIMEOUT_S):
            event = await self._plugin.recognize(audio_frame(samples), conn_options=_CONNECT)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        data = event.alternatives[:1]
        return Recognition(words=within(words_of(data, duration_s), duration_s))

    async def _streamed(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        stream = self._streams.get(ticket.lane)
        if stream is not None and stream.piece != ticket.piece:
            # Its piece was given up before it was whole.
            del self._streams[ticket.lane]
            await stream.aclose()
            stream = None
        if stream is None:
            stream = _PieceStream(self._plugin.stream(conn_options=_CONNECT), ticket.piece)
            self._streams[ticket.lane] = stream
        stream.push(samples)
        duration_s = len(samples) / SAMPLE_RATE_HZ
        if not ticket.is_final:
            return Recognition(words=within(words_of(stream.so_far(), duration_s), duration_s))
        del self._streams[ticket.lane]
        try:
            data = await stream.finish()
        finally:
            await stream.aclose()
        heard_s = stream.n_pushed / SAMPLE_RATE_HZ
        return Recognition(words=within(words_of(data, heard_s), duration_s))


class _PieceStream:
    """A plugin's stream for one piece of speech."""

    def __init__(self, stream: stt.RecognizeStream, piece: int) -> None:
        self.piece = piece
        self.n_pushed = 0
        self._stream = stream
        self._finals: list[stt.SpeechData] = []
        self._interim: stt.SpeechData | None = None
        self._reading = asyncio.create_task(self._read(), name="plugin-stream")

    def push(self, samples: NDArray[np.float32]) -> None:
        """Hand over what is new of the piece."""
        if len(samples) > self.n_pushed:
            self._stream.push_frame(audio_frame(samples[self.n_pushed :]))
            self.n_pushed = len(samples)

    def so_far(self) -> list[stt.SpeechData]:
        """What the plugin has written; its latest interim words too.

        Raises:
            RecognitionError: the stream broke.
        """
        if self._reading.done() and self._reading.exception() is not None:
            raise RecognitionError("the plugin's stream broke")
        return [*self._finals, *([self._interim] if self._interim is not None else [])]

    async def finish(self) -> list[stt.SpeechData]:
        """Everything of the piece, when the plugin has said its last word.

        Raises:
            Exception: what broke the stream.
            TimeoutError: the last word did not come.
        """
        self._stream.end_input()
        async with asyncio.timeout(_FINAL_TIMEOUT_S):
            await asyncio.shield(self._reading)
        return self.so_far()

    async def aclose(self) -> None:
        """Let go of the stream."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        with contextlib.suppress(Exception):  # it broke, and was told to whoever waited for words
            await self._stream.aclose()

    async def _read(self) -> None:
        async for event in self._stream:
            if not event.alternatives:
                continue
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                self._finals.append(event.alternatives[0])
                self._interim = None
            elif event.type is stt.SpeechEventType.INTERIM_TRANSCRIPT:
                self._interim = event.alternatives[0]


def audio_frame(samples: NDArray[np.float32]) -> rtc.AudioFrame:
    """Samples as LiveKit carries them: 16-bit, mono, 16 kHz."""
    pcm = (np.clip(samples, -1.0, 1.0) * _PCM16_MAX).astype(np.int16)
    return rtc.AudioFrame(pcm.tobytes(), SAMPLE_RATE_HZ, 1, len(pcm))


def words_of(said: Sequence[stt.SpeechData], duration_s: float) -> tuple[RecognisedWord, ...]:
    """A plugin's words as ours.

    Args:
        said: In order; times from the beginning of the piece, 0.0 where the plugin gives none.
        duration_s: Of the sound that the plugin heard; words without times are spread over it.
    """
    words: list[RecognisedWord] = []
    for data in said:
        confidence = data.confidence if 0.0 < data.confidence <= 1.0 else None
        timed = [
            RecognisedWord(
                text=word.strip(),
                start_s=float(word.start_time),
                end_s=float(word.end_time),
                confidence=float(word.confidence) if is_given(word.confidence) else confidence,
            )
            for word in data.words or ()
            if word.strip() and is_given(word.start_time) and is_given(word.end_time)
        ]
        if timed:
            words.extend(timed)
            continue
        start_s = data.start_time if data.start_time > 0 else (words[-1].end_s if words else 0.0)
        end_s = data.end_time if data.end_time > start_s else max(duration_s, start_s + 0.1)
        words.extend(
            RecognisedWord(
                text=word.text,
                start_s=word.span.start_s,
                end_s=word.span.end_s,
                confidence=confidence,
            )
            for word in words_from_text(data.text, Span(start_s, end_s))
        )
    return tuple(words)


def within(words: Sequence[RecognisedWord], duration_s: float) -> tuple[RecognisedWord, ...]:
    """The words that begin within the piece; what was said behind it is of the next one."""
    return clamped((word for word in words if word.start_s < duration_s), duration_s)
