"""The speech server: one recogniser for all rooms of a worker, on a socket of this machine.

The inference process of livekit-agents answers one request at a time, so nothing could be put in
order or decoded together behind it. It gives the process its life and its supervision; requests
come by this socket. Each connection is one room.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import tempfile
import threading
from pathlib import Path

from realtime.errors import RecognitionDropped, RecognitionError
from realtime.recognition import ThreadRecogniser
from realtime.speech_wire import decode_samples, encode_recognition, frame, read_frame
from realtime.ticket import Ticket

log = logging.getLogger(__name__)

# Requests of one room that are under way: more than its tracks can have, fewer than a flood.
_MAX_REQUESTS = 64


class SpeechServer:
    """Answers the rooms of a worker.

    Args:
        recogniser: Shared by all rooms.
        second: Hears once more what holds a number that is not whole; None = nobody does.
    """

    def __init__(
        self, recogniser: ThreadRecogniser, second: ThreadRecogniser | None = None
    ) -> None:
        self._recogniser = recogniser
        self._second = second
        self._rooms = itertools.count(1)

    async def serve(self, path: Path) -> asyncio.Server:
        """Begin to answer on a socket; its folder must be closed to other users."""
        return await asyncio.start_unix_server(self._room, path=str(path))

    async def _room(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room = str(next(self._rooms))
        tickets: dict[int, Ticket] = {}
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                head, body = await read_frame(reader)
                number = int(head["id"])
                if head["kind"] == "settle":
                    if number in tickets:
                        tickets[number].settle()
                elif len(tasks) >= _MAX_REQUESTS:
                    writer.write(frame({"id": number, "kind": "dropped"}))
                else:
                    ticket = Ticket(lane=str(head["lane"]), is_final=bool(head["final"]))
                    tickets[number] = ticket
                    ear = self._ear(head["kind"])
                    task = asyncio.create_task(
                        self._answer(writer, number, ticket, body, room, ear), name="speech-answer"
                    )
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    task.add_done_callback(lambda _, n=number: tickets.pop(n, None))  # type: ignore[misc]
        except (EOFError, ConnectionError):
            pass  # the room has gone
        except (ValueError, KeyError, TypeError):
            log.error("a room sent what is no request; its connection is closed")
        finally:
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _ear(self, kind: str) -> ThreadRecogniser:
        if kind == "hear":
            return self._recogniser
        if kind == "hear_again" and self._second is not None:
            return self._second
        raise ValueError("a request for an ear that is not here")

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        number: int,
        ticket: Ticket,
        body: bytes,
        room: str,
        ear: ThreadRecogniser,
    ) -> None:
        try:
            heard = await ear.transcribe(decode_samples(body), ticket, room)
        except RecognitionDropped:
            answer = frame({"id": number, "kind": "dropped"})
        except RecognitionError:
            answer = frame({"id": number, "kind": "failed"})
        except Exception as exc:  # a defect must not leave the room without an answer
            log.error("the recogniser failed", extra={"error": type(exc).__name__})
            answer = frame({"id": number, "kind": "failed"})
        else:
            answer = frame({"id": number, "kind": "words"}, encode_recognition(heard))
        with contextlib.suppress(ConnectionError):
            writer.write(answer)
            await writer.drain()


class SpeechThread:
    """Runs a speech server in a thread of its own, for a process whose main loop is not ours.

    Args:
        recogniser: Shared by all rooms.
        second: As for `SpeechServer`.
    """

    def __init__(
        self, recogniser: ThreadRecogniser, second: ThreadRecogniser | None = None
    ) -> None:
        self._server = SpeechServer(recogniser, second)
        # Made for this user alone (0700): what is said in the rooms goes through it.
        self._folder = tempfile.TemporaryDirectory(prefix="earmark-speech-")
        self.path = Path(self._folder.name) / "socket"
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="speech-server", daemon=True)

    def start(self) -> None:
        """Begin to answer; returns when the socket is there.

        Raises:
            RecognitionError: the socket could not be made.
        """
        self._thread.start()
        if not self._ready.wait(timeout=10.0) or self._loop is None:
            raise RecognitionError("the speech server did not start")

    def close(self) -> None:
        """Stop, and take the socket away."""
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout=10.0)
        self._folder.cleanup()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        try:
            server = await self._server.serve(self.path)
            self._stopping = asyncio.Event()
            self._loop = asyncio.get_running_loop()
        finally:
            self._ready.set()
        async with server:
            await self._stopping.wait()
