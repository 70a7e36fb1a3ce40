"""The second ear: what it is asked for, whom it believes, and what happens when it fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from realtime.clock import VirtualClock
from realtime.errors import RecognitionError
from realtime.recognition import (
    MAX_WAITING_FOR_SECOND,
    AsyncRecogniser,
    Guesses,
    second_recogniser,
)
from realtime.second_ear import SecondEar
from realtime.session import CallSession
from realtime.ticket import Ticket
from rules.engine import Engine
from rules.loader import load_rulebook
from rules.types import Span, Utterance, utterance_from_words
from speech.recogniser import RecognisedWord, Recognition

_SOUND = np.zeros(16_000, dtype=np.float32)
_TICKET = Ticket(lane="T", is_final=True)
WHOLE = "my card number is 4539 1488 0343 6467"
NEAR = "my card number is 4539 148 0343 647"


def words(text: str) -> tuple[RecognisedWord, ...]:
    return tuple(
        RecognisedWord(text=word, start_s=0.4 * i, end_s=0.4 * i + 0.3, confidence=0.9)
        for i, word in enumerate(text.split())
    )


def heard(text: str, *others: str) -> Recognition:
    return Recognition(words=words(text), others=tuple(words(other) for other in others))


def as_utterance(read: Sequence[RecognisedWord]) -> Utterance | None:
    if not read:
        return None
    timed = ((word.text, Span(word.start_s, word.end_s), word.confidence) for word in read)
    return utterance_from_words(timed, id="T/0", speaker="customer")


@dataclass
class Scripted:
    """A recogniser that gives one answer, after a while."""

    answer: Recognition | Exception
    delay_s: float = 0.0
    guesses: Guesses = Guesses.NONE
    second: AsyncRecogniser | None = None
    n_asked: int = field(default=0)

    async def transcribe(self, samples: NDArray[np.float32], ticket: Ticket) -> Recognition:
        self.n_asked += 1
        await asyncio.sleep(self.delay_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_rulebook(()))


@pytest.fixture
def session(engine: Engine) -> CallSession:
    return CallSession(room_sid="RM_1", engine=engine, clock=VirtualClock(), sinks=())


async def better(session: CallSession, ear: Scripted, first: Recognition) -> str:
    second = SecondEar(ear, session, timeout_s=0.2)
    best = await second.better(_SOUND, first, _TICKET, as_utterance=as_utterance)
    return " ".join(word.text for word in best.words)


async def test_a_lost_digit_is_found_again(session: CallSession) -> None:
    assert await better(session, Scripted(heard(WHOLE)), heard(NEAR)) == WHOLE


async def test_a_reading_under_the_prompt_counts_where_only_it_is_whole(
    session: CallSession,
) -> None:
    ear = Scripted(heard("my card number is 4539 148 034 6467", WHOLE))
    assert await better(session, ear, heard(NEAR)) == WHOLE


async def test_a_reading_under_the_prompt_is_not_believed_for_less(session: CallSession) -> None:
    plain = "we sold 1204 of them"
    ear = Scripted(heard(plain, "we sold 1 2 0 4 of those"))
    assert await better(session, ear, heard("we sold 124 of them")) == plain


async def test_whole_numbers_and_other_talk_are_not_heard_again(session: CallSession) -> None:
    ear = Scripted(heard("something else"))
    for text in (WHOLE, "good morning, how are you today"):
        assert await better(session, ear, heard(text)) == text
    assert ear.n_asked == 0


async def test_words_in_place_of_an_announced_number_are_heard_again(
    session: CallSession,
) -> None:
    right = "the security code is 907"
    ear = Scripted(heard(right))
    assert await better(session, ear, heard("the security code is either sent")) == right


async def test_a_number_that_the_second_ear_loses_is_kept(session: CallSession) -> None:
    assert await better(session, Scripted(heard("my card number is")), heard(NEAR)) == NEAR


@pytest.mark.parametrize(
    "ear", [Scripted(RecognitionError("lost")), Scripted(heard(WHOLE), delay_s=5.0)]
)
async def test_a_second_ear_that_fails_or_is_late_takes_nothing_away(
    session: CallSession, ear: Scripted
) -> None:
    assert await better(session, ear, heard(NEAR)) == NEAR
    assert ear.n_asked == 1


@dataclass
class Reader:
    """The model behind a second ear: the same for every piece, when it may."""

    may: threading.Event = field(default_factory=threading.Event)

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        self.may.wait(10.0)
        return tuple(heard(WHOLE) for _ in pieces)

    def close(self) -> None:
        return


def n_heard_again(outcome: str) -> float:
    return REGISTRY.get_sample_value("earmark_second_ear_total", {"outcome": outcome}) or 0.0


async def test_more_pieces_than_it_can_take_are_left_as_they_were(session: CallSession) -> None:
    """Its queue is short and for all rooms; whoever finds it full is counted as such."""
    reader = Reader()
    ear = second_recogniser(reader)
    before = {outcome: n_heard_again(outcome) for outcome in ("busy", "replaced", "failed")}
    n_asking = MAX_WAITING_FOR_SECOND + 3
    asking = [
        asyncio.create_task(
            SecondEar(ear, session).better(
                _SOUND, heard(NEAR), Ticket(lane=f"T{n}", is_final=True), as_utterance=as_utterance
            )
        )
        for n in range(n_asking)
    ]
    while not any(task.done() for task in asking):
        await asyncio.sleep(0.01)
    reader.may.set()
    texts = [" ".join(word.text for word in each.words) for each in await asyncio.gather(*asking)]
    ear.close()
    n_busy = texts.count(NEAR)
    assert 0 < n_busy < n_asking
    assert texts.count(WHOLE) == n_asking - n_busy
    assert {outcome: n_heard_again(outcome) - n for outcome, n in before.items()} == {
        "busy": n_busy, "replaced": n_asking - n_busy, "failed": 0,
    }  # fmt: skip


async def test_weighing_changes_nothing_in_the_call(session: CallSession) -> None:
    said = as_utterance(words(WHOLE))
    assert said is not None
    weight = session.weigh(said)
    assert weight > 0
    assert session.weigh(said) == weight  # had it been fed, it would be an old one by now
