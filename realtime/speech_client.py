"""The way from a room to the speech process of its worker."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import RecognitionDropped, RecognitionError
from realtime.recognition import AsyncRecogniser, Guesses
from realtime.speech_wire import decode_recognition, encode_samples, frame, read_frame
from realtime.ticket import Ticket
from speech.recogniser import Recognition

# A speech process that is asked for words and has none after this long counts as failed: the queue
# behind it must move on.
_TIMEOUT_S = 30.0


class InferenceExecutor(Protocol):
    """The way from a job to the inference process of its worker (livekit-agents)."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Ask for one inference; raises RuntimeError where it fails."""


class SharedRecogniser:
    """Asks the speech process that all rooms of a worker share.

    It connects with the first request, and anew after the process was lost.

    Args:
        executor: Asked once a connection where the speech process listens.
        method: The name under which it answers that.
        has_second: Whether the process hears numbers once more when asked.
    """

    def __init__(
        self, executor: InferenceExecutor, *, method: str, has_second: bool = False
    ) -> None:
        self.guesses = Guesses.SURE
        self.second: AsyncRecogniser | None = _SecondEar(self) if has_second else None
        self._executor = executor
        self._method = method
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Recognition]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Recognise a piece of speech; see `AsyncRecogniser`."""
        return await self.ask("hear", samples, ticket)

    async def ask(self, kind: str, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Ask for the words of one ear: "hear" for the first one, "hear_again" for the second."""
        number = next(self._numbers)
        answer: asyncio.Future[Recognition] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                writer = await self._connected()
                self._waiting[number] = answer
                head = {
                    "id": number, "kind": kind, "lane": ticket.lane, "final": ticket.is_final,
                }  # fmt: skip
                ticket.on_settled = lambda: self._send({"id": number, "kind": "settle"})
                writer.write(frame(head, encode_samples(samples)))
                await writer.drain()
                return await answer
        except TimeoutError:
            raise RecognitionError("no answer in time") from None
        except (RuntimeError, OSError):
            # The message comes from another process and could carry anything.
            raise RecognitionError("the speech process failed") from None
        finally:
            ticket.on_settled = None
            self._waiting.pop(number, None)

    async def aclose(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._hang_up()

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                path = await self._executor.do_inference(self._method, b"")
                if not path:
                    raise RecognitionError("the speech process does not say where it listens")
                reader, self._writer = await asyncio.open_unix_connection(path.decode())
                self._reading = asyncio.create_task(self._read(reader), name="speech-answers")
            return self._writer

    def _send(self, head: dict[str, object]) -> None:
        if self._writer is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._writer.write(frame(head))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head, body = await read_frame(reader)
                answer = self._waiting.get(int(head["id"]))
                if answer is None or answer.done():
                    continue
                if head["kind"] == "words":
                    answer.set_result(decode_recognition(body))
                elif head["kind"] == "dropped":
                    answer.set_exception(RecognitionDropped("given up while it waited"))
                else:
                    answer.set_exception(RecognitionError("the speech process failed"))
        except (EOFError, OSError, ValueError, KeyError, TypeError):
            pass  # the process has gone, or is not the one we know
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(RecognitionError("the speech process went away"))


class _SecondEar:
    """The second ear of the speech process, as a recogniser of its own."""

    def __init__(self, shared: SharedRecogniser) -> None:
        self.guesses = Guesses.NONE
        self.second: AsyncRecogniser | None = None
        self._shared = shared

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        """Hear a piece of speech once more; see `AsyncRecogniser`."""
        return await self._shared.ask("hear_again", samples, ticket)
