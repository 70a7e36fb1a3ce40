"""A ticket: how urgent a piece of speech is, while it waits for a recogniser."""

from __future__ import annotations

from collections.abc import Callable


class Ticket:
    """Goes with a piece of speech into the queue of a recogniser.

    Final words come before guesses. A guess is given up as soon as a newer piece of the same lane
    waits, or when it has become old.

    Args:
        lane: Names the track, within its room. No personal data.
        is_final: Whether the piece is whole; False for a guess at one that still grows.
        piece: Number of the piece within its lane. Guesses at a piece begin where it begins.
    """

    def __init__(self, *, lane: str, is_final: bool, piece: int = 0) -> None:
        self.lane = lane
        self.piece = piece
        self.is_final = is_final
        self.on_settled: Callable[[], None] | None = None  # for who carries the ticket further

    def settle(self) -> None:
        """What was a guess turned out to be the whole piece: it is as urgent as one now."""
        if not self.is_final:
            self.is_final = True
            if self.on_settled is not None:
                self.on_settled()
