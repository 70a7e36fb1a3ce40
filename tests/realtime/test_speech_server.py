"""Rooms and the speech process of their worker, over a real socket."""

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.errors import RecognitionDropped, RecognitionError
from realtime.recognition import ThreadRecogniser
from realtime.speech_client import SharedRecogniser
from realtime.speech_queue import SpeechQueue
from realtime.speech_server import SpeechThread
from realtime.speech_wire import decode_recognition, encode_recognition
from realtime.ticket import Ticket
from speech.recogniser import Recognition
from tests.realtime.scripted import ScriptedEngine, sound, word


class Executor:
    """Stands for livekit's way to the inference process: says where the server listens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_asked = 0

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Answer, as the runner does."""
        self.n_asked += 1
        return str(self.path).encode()


@pytest.fixture
def engine() -> ScriptedEngine:
    """What the server recognises with."""
    return ScriptedEngine(fails_on=frozenset({666}))


@pytest.fixture
def server(engine: ScriptedEngine) -> Iterator[SpeechThread]:
    """A running server."""
    thread = SpeechThread(ThreadRecogniser(engine, queue=SpeechQueue(max_finals=3)))
    thread.start()
    yield thread
    engine.free.set()
    thread.close()


def final(lane: str = "t") -> Ticket:
    """The ticket of a whole piece."""
    return Ticket(lane=lane, is_final=True)


async def begun(engine: ScriptedEngine) -> None:
    """Wait until the engine has something to do."""
    assert await asyncio.to_thread(engine.begun.wait, 10)


async def heard(recogniser: SharedRecogniser, n_samples: int, ticket: Ticket) -> str:
    """The word of a piece, or the name of the error."""
    try:
        return (await recogniser.transcribe(sound(n_samples), ticket)).words[0].text
    except RecognitionError as exc:
        return type(exc).__name__


async def queued(server: SpeechThread, n: int) -> None:
    """Wait until so many pieces wait in the server."""
    async with asyncio.timeout(10):
        while len(server._server._recogniser.queue) < n:
            await asyncio.sleep(0.005)


async def test_words_come_back(server: SpeechThread, engine: ScriptedEngine) -> None:
    """Each request has its own answer, whatever order they come in; a failure is one of them."""
    engine.free.set()
    recogniser = SharedRecogniser(executor := Executor(server.path), method="m")
    outcomes = await asyncio.gather(*(heard(recogniser, n, final()) for n in (5, 666)))
    assert outcomes[1] == "RecognitionError"
    assert await heard(recogniser, 7, final()) == "7"
    assert executor.n_asked == 1
    await recogniser.aclose()


async def test_rooms_share_the_recogniser_fairly(
    server: SpeechThread, engine: ScriptedEngine
) -> None:
    """What waits of two rooms is recognised together; a settled guess is not left behind."""
    rooms = [SharedRecogniser(Executor(server.path), method="m") for _ in range(2)]
    tasks = [asyncio.create_task(heard(rooms[0], 1, final()))]
    await begun(engine)
    guess, other = (Ticket(lane=lane, is_final=False) for lane in ("t", "u"))
    tasks.append(asyncio.create_task(heard(rooms[0], 2, other)))
    await queued(server, 1)
    tasks.append(asyncio.create_task(heard(rooms[0], 3, guess)))
    await queued(server, 2)
    guess.settle()
    tasks.append(asyncio.create_task(heard(rooms[1], 4, final())))
    await queued(server, 3)
    await asyncio.sleep(0.05)  # the settling goes another way than the request
    engine.free.set()
    assert await asyncio.gather(*tasks) == ["1", "2", "3", "4"]
    assert [sorted(batch) for batch in engine.batches] == [[1], [3, 4], [2]]
    for room in rooms:
        await room.aclose()


async def test_overload_is_told(server: SpeechThread, engine: ScriptedEngine) -> None:
    """The oldest piece of a full queue is given up, and who asked for it knows."""
    recogniser = SharedRecogniser(Executor(server.path), method="m")
    tasks = [asyncio.create_task(heard(recogniser, 1, final()))]
    await begun(engine)
    for n in (2, 3, 4, 5):
        tasks.append(asyncio.create_task(heard(recogniser, n, final())))
        await asyncio.sleep(0.02)
    assert await tasks[1] == RecognitionDropped.__name__
    engine.free.set()
    assert await asyncio.gather(tasks[0], *tasks[2:]) == ["1", "3", "4", "5"]
    await recogniser.aclose()


async def test_a_lost_process_is_found_again(engine: ScriptedEngine) -> None:
    """What was under way fails, and the next request goes to the process that took its place."""
    first = SpeechThread(ThreadRecogniser(engine))
    first.start()
    executor = Executor(first.path)
    recogniser = SharedRecogniser(executor, method="m")
    under_way = asyncio.create_task(heard(recogniser, 1, final()))
    await begun(engine)
    await asyncio.to_thread(first.close)
    assert await under_way == "RecognitionError"
    assert await heard(recogniser, 2, final()) == "RecognitionError"
    engine.free.set()
    second = SpeechThread(ThreadRecogniser(engine))
    second.start()
    executor.path = second.path
    assert await heard(recogniser, 3, final()) == "3"
    await recogniser.aclose()
    await asyncio.to_thread(second.close)


async def test_garbage_closes_one_connection(server: SpeechThread, engine: ScriptedEngine) -> None:
    """Bytes that are no request cost only who sent them."""
    engine.free.set()
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(b"\xff" * 64)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    recogniser = SharedRecogniser(Executor(server.path), method="m")
    assert await heard(recogniser, 7, final()) == "7"
    await recogniser.aclose()


def test_nobody_else_gets_at_the_socket(server: SpeechThread) -> None:
    """What is said in rooms goes through it: its folder is the worker's own."""
    assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700


def test_recognitions_survive_the_way() -> None:
    """What comes back is what was heard."""
    heard = Recognition(words=(word("vierzigfünf", 0.25, 0.5),), looped_from_s=0.5)
    assert decode_recognition(encode_recognition(heard)) == heard
