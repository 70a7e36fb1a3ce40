"""The queue before a recogniser is fair, bounded, and puts final words first."""

import asyncio

import numpy as np
import pytest

from realtime.speech_queue import Piece, SpeechQueue
from realtime.ticket import Ticket


def piece(
    room: str, *, final: bool = True, lane: str = "t", queued_s: float = 0.0, n_samples: int = 9
) -> Piece:
    """A piece of speech that waits."""
    return Piece(
        room=room,
        ticket=Ticket(lane=lane, is_final=final),
        samples=np.zeros(n_samples, np.float32),
        queued_s=queued_s,
        words=asyncio.get_running_loop().create_future(),
    )


async def test_rooms_take_turns() -> None:
    """A room that asks a lot does not hold up the others."""
    queue = SpeechQueue()
    busy = [piece("a") for _ in range(3)]
    other, third = piece("b"), piece("c")
    for each in (*busy, other, third):
        assert queue.put(each) == ()
    order = [queue.take(1, 0.0)[0][0] for _ in range(5)]
    assert order == [busy[0], other, third, busy[1], busy[2]]


async def test_whole_pieces_come_before_guesses() -> None:
    """A guess waits while there is anything whole, and is never mixed with it."""
    queue = SpeechQueue()
    guess, whole = piece("a", final=False), piece("b")
    queue.put(guess)
    queue.put(whole)
    assert queue.take(4, 0.0) == ((whole,), ())
    assert queue.take(4, 0.0) == ((guess,), ())
    assert queue.take(4, 0.0) == ((), ())


async def test_a_newer_guess_replaces_the_older() -> None:
    """Of one track only the newest waits; other tracks and rooms keep theirs."""
    queue = SpeechQueue()
    older, newer = piece("a", final=False), piece("a", final=False)
    track, room = piece("a", final=False, lane="u"), piece("b", final=False)
    queue.put(older)
    queue.put(track)
    queue.put(room)
    assert queue.put(newer) == (older,)
    assert set(queue.take(4, 0.0)[0]) == {track, room, newer}
    assert (queue.n_dropped_guesses, queue.n_dropped_finals) == (1, 0)


async def test_the_whole_piece_replaces_a_guess_at_it() -> None:
    """When the sentence is over, nobody needs a guess at its beginning."""
    queue = SpeechQueue()
    guess, whole = piece("a", final=False), piece("a")
    queue.put(guess)
    assert queue.put(whole) == (guess,)
    assert len(queue) == 1


async def test_a_settled_guess_is_as_urgent_as_final_words() -> None:
    """A guess that heard the whole piece moves up, and is not given up any more."""
    queue = SpeechQueue()
    guess, other = piece("a", final=False), piece("b", final=False)
    queue.put(other)
    queue.put(guess)
    guess.ticket.settle()
    newer = piece("a", final=False)
    assert queue.put(newer) == ()
    assert queue.take(4, 0.0) == ((guess,), ())
    assert set(queue.take(4, 0.0)[0]) == {other, newer}


async def test_old_guesses_are_given_up() -> None:
    """A guess that waited too long is about a sentence that has gone on."""
    queue = SpeechQueue(max_guess_age_s=1.0)
    old, fresh = piece("a", final=False, queued_s=1.0), piece("b", final=False, queued_s=2.0)
    queue.put(old)
    queue.put(fresh)
    assert queue.take(4, 2.5) == ((fresh,), (old,))
    assert queue.n_dropped_guesses == 1


async def test_a_full_queue_gives_up_the_oldest() -> None:
    """Under overload the oldest whole piece goes, whichever room it is of, and is counted."""
    queue = SpeechQueue(max_finals=2)
    first, second, third = (piece(r, queued_s=t) for r, t in (("a", 1.0), ("b", 2.0), ("a", 3.0)))
    assert queue.put(second) == ()
    assert queue.put(first) == ()
    assert queue.put(third) == (first,)
    assert queue.n_dropped_finals == 1
    assert queue.take(4, 0.0)[0] == (second, third)


async def test_who_has_gone_is_not_served() -> None:
    """Pieces that nobody waits for any more cost nothing."""
    queue = SpeechQueue()
    gone, there, guess = piece("a"), piece("b"), piece("c", final=False)
    for each in (gone, there, guess):
        queue.put(each)
    gone.words.cancel()
    guess.words.cancel()
    assert queue.take(4, 0.0)[0] == (there,)
    assert len(queue) == 0


@pytest.mark.parametrize(("n_samples", "together"), [(27, True), (28, False)])
async def test_only_pieces_alike_are_taken_together(n_samples: int, together: bool) -> None:
    """A short piece is not made to wait for the end of a long one."""
    queue = SpeechQueue()
    queue.put(piece("a", n_samples=9))
    queue.put(piece("b", n_samples=n_samples))
    assert len(queue.take(4, 0.0)[0]) == (2 if together else 1)
