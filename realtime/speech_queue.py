"""The queue before a recogniser: fair to rooms, bounded, final words before guesses."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from realtime.ticket import Ticket
from speech.recogniser import Recognition

# Whole pieces of speech of all rooms. At about 0.15 s each the last one waits for seven seconds;
# words that come later than that are of no use live.
MAX_FINALS = 48
# A guess that has waited for so long is about a sentence that has grown by several words.
MAX_GUESS_AGE_S = 0.8
# Pieces of about one length are decoded together without waste; others are left for the next time.
_MAX_LENGTH_RATIO = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A piece of speech that waits for its words."""

    room: str
    ticket: Ticket
    samples: NDArray[np.float32] = field(repr=False)  # shape (n_samples,), 16 kHz
    queued_s: float  # by the queue's clock
    words: asyncio.Future[Recognition] = field(repr=False)


class SpeechQueue:
    """Decides what is recognised next. Knows no clock of its own and starts nothing."""

    def __init__(
        self, *, max_finals: int = MAX_FINALS, max_guess_age_s: float = MAX_GUESS_AGE_S
    ) -> None:
        self._max_finals = max_finals
        self._max_guess_age_s = max_guess_age_s
        # Rooms in the order in which their turn comes.
        self._finals: OrderedDict[str, deque[Piece]] = OrderedDict()
        self._guesses: OrderedDict[tuple[str, str], Piece] = OrderedDict()
        self.n_dropped_finals = 0
        self.n_dropped_guesses = 0

    def __len__(self) -> int:
        return self.n_finals + len(self._guesses)

    @property
    def n_finals(self) -> int:
        """How many whole pieces wait."""
        return sum(map(len, self._finals.values()))

    def put(self, piece: Piece) -> tuple[Piece, ...]:
        """Add a piece.

        Returns:
            What was given up for it: the guess of its lane, and the oldest piece of a full queue.
        """
        dropped: list[Piece] = []
        lane = (piece.room, piece.ticket.lane)
        older = self._guesses.get(lane)
        if older is not None and not older.ticket.is_final:
            dropped.append(self._guesses.pop(lane))
        self._promote_settled()
        if piece.ticket.is_final:
            self._finals.setdefault(piece.room, deque()).append(piece)
        else:
            self._guesses[lane] = piece
        while self.n_finals > self._max_finals:
            oldest = min((waiting[0] for waiting in self._finals.values()), key=_age)
            self._leave(oldest)
            dropped.append(oldest)
        self._count(dropped)
        return tuple(dropped)

    def take(self, n_most: int, now_s: float) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
        """Take what is to be recognised next, together.

        Whole pieces come first, one of each room in turn; guesses only where none waits.

        Args:
            n_most: How many at most.
            now_s: By the clock of `Piece.queued_s`.

        Returns:
            The pieces to recognise, and guesses that were given up because they are old.
        """
        self._promote_settled()
        for waiting in tuple(self._finals.values()):
            for piece in tuple(waiting):
                if piece.words.done():  # whoever asked has gone
                    self._leave(piece)
        taken: list[Piece] = []
        while self._finals and len(taken) < n_most:
            room, waiting = next(iter(self._finals.items()))
            if taken and not _alike(taken[0], waiting[0]):
                break
            taken.append(waiting.popleft())
            if waiting:
                self._finals.move_to_end(room)
            else:
                del self._finals[room]
        old: list[Piece] = []
        for lane, guess in tuple(self._guesses.items()):
            if guess.words.done():
                del self._guesses[lane]
            elif now_s - guess.queued_s > self._max_guess_age_s:
                old.append(self._guesses.pop(lane))
        self._count(old)
        if not taken:
            for lane, guess in tuple(self._guesses.items()):
                if len(taken) < n_most and (not taken or _alike(taken[0], guess)):
                    taken.append(self._guesses.pop(lane))
        return tuple(taken), tuple(old)

    def _promote_settled(self) -> None:
        for lane, guess in tuple(self._guesses.items()):
            if guess.ticket.is_final:
                del self._guesses[lane]
                self._finals.setdefault(guess.room, deque()).append(guess)

    def _leave(self, piece: Piece) -> None:
        waiting = self._finals[piece.room]
        waiting.remove(piece)
        if not waiting:
            del self._finals[piece.room]

    def _count(self, dropped: list[Piece]) -> None:
        for piece in dropped:
            if piece.ticket.is_final:
                self.n_dropped_finals += 1
            else:
                self.n_dropped_guesses += 1


def _age(piece: Piece) -> float:
    return piece.queued_s


def _alike(a: Piece, b: Piece) -> bool:
    short, long = sorted((len(a.samples), len(b.samples)))
    return long <= _MAX_LENGTH_RATIO * max(1, short)
