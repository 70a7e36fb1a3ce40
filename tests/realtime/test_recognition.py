"""Recognisers behind a queue: together where that works, in order, and no caller waits forever."""

import asyncio

import pytest

from realtime.errors import RecognitionDropped, RecognitionError
from realtime.recognition import ThreadRecogniser
from realtime.speech_queue import SpeechQueue
from realtime.ticket import Ticket
from tests.realtime.scripted import ScriptedEngine, sound


def final(lane: str = "t") -> Ticket:
    """The ticket of a whole piece."""
    return Ticket(lane=lane, is_final=True)


def guess(lane: str = "t") -> Ticket:
    """The ticket of a guess."""
    return Ticket(lane=lane, is_final=False)


async def begun(engine: ScriptedEngine) -> None:
    """Wait until the engine has something to do."""
    assert await asyncio.to_thread(engine.begun.wait, 10)


async def test_what_gathers_is_recognised_together() -> None:
    """While the engine works, requests of several rooms gather; then they go in one batch."""
    engine = ScriptedEngine()
    recogniser = ThreadRecogniser(engine, max_batch=3)
    first = asyncio.create_task(recogniser.transcribe(sound(100), final(), "a"))
    await begun(engine)
    others = [
        asyncio.create_task(recogniser.transcribe(sound(n), final(), room))
        for n, room in ((110, "a"), (120, "b"), (130, "c"), (140, "d"))
    ]
    await asyncio.sleep(0)
    engine.free.set()
    heard = [(await each).words[0].text for each in (first, *others)]
    assert heard == ["100", "110", "120", "130", "140"]
    assert engine.batches == [[100], [110, 120, 130], [140]]
    recogniser.close()
    assert engine.closed


async def test_final_words_before_guesses() -> None:
    """A guess waits for whole pieces that came later."""
    engine = ScriptedEngine()
    recogniser = ThreadRecogniser(engine)
    tasks = [asyncio.create_task(recogniser.transcribe(sound(1), final(), "a"))]
    await begun(engine)
    tasks.append(asyncio.create_task(recogniser.transcribe(sound(2), guess(), "b")))
    tasks.append(asyncio.create_task(recogniser.transcribe(sound(3), final(), "c")))
    await asyncio.sleep(0)
    engine.free.set()
    await asyncio.gather(*tasks)
    assert engine.batches == [[1], [3], [2]]
    recogniser.close()


async def test_failures_and_drops_reach_who_asked() -> None:
    """A failed batch fails for each of its pieces; what is given up says so; the rest goes on."""
    engine = ScriptedEngine(fails_on=frozenset({1}))
    recogniser = ThreadRecogniser(engine, max_batch=1, queue=SpeechQueue(max_finals=2))
    tasks = [asyncio.create_task(recogniser.transcribe(sound(1), final()))]
    await begun(engine)
    for n in (2, 3, 4):
        tasks.append(asyncio.create_task(recogniser.transcribe(sound(n), final())))
    await asyncio.sleep(0)
    engine.free.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(o) for o in outcomes[:2]] == [RecognitionError, RecognitionDropped]
    assert engine.batches == [[1], [3], [4]]
    assert recogniser.queue.n_dropped_finals == 1
    recogniser.close()


async def test_a_defect_is_told_and_not_swallowed() -> None:
    """An engine that breaks in a way nobody planned leaves no caller waiting."""

    class Broken(ScriptedEngine):
        def recognise(self, pieces: object) -> tuple[()]:
            raise ZeroDivisionError

    recogniser = ThreadRecogniser(Broken())
    with pytest.raises(ZeroDivisionError):
        await recogniser.transcribe(sound(1), final())
    recogniser.close()
