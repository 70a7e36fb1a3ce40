"""Suspicion: what a guess at a growing piece of speech would raise, and another one has to see too.

Agreement of passes believes a beginning only. A recogniser that goes to and fro about one word
there holds back everything behind it, and an alert then waits for the end of the sentence. So
passes are compared by what they would lead to as well: where two of them would raise the same hit
at the same place, it is raised, whatever they make of the words before it. A hit that lies well
before the end of what was heard needs no second pass: final words have one pass only, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime.ear import Ear, Segment
from realtime.session import CallSession
from rules.types import Hit, Utterance
from speech.recogniser import RecognisedWord

# Words with so much sound behind them are as good as those of a finished piece.
_WELL_BEFORE_S = 1.0
# Passes place the same words up to about half a second apart.
_SAME_PLACE_S = 1.0


class Suspicions:
    """Follows the guesses of one ear.

    Args:
        ear: Makes utterances of words.
        session: Knows what they would raise.
    """

    def __init__(self, ear: Ear, session: CallSession) -> None:
        self._ear = ear
        self._session = session
        self._index = -1  # of the piece that is followed
        self._seen: tuple[Hit, ...] = ()  # by all passes over it
        self._is_open = False

    def is_open(self, segment: Segment) -> bool:
        """Whether the latest pass over a piece would raise what no other one has seen."""
        return self._is_open and segment.index == self._index

    def hear(self, segment: Segment, words: Sequence[RecognisedWord]) -> Utterance | None:
        """Take what a pass heard, after what is believed of it anyway has been fed.

        Args:
            segment: As far as it had come.
            words: All that the pass heard in it.

        Returns:
            An interim utterance that raises what may be raised; None where there is no such thing.
        """
        if segment.index != self._index:
            self._index, self._seen = segment.index, ()
        hits = self._raised_by(segment, words)
        sure_until_s = self._ear.end_s(segment) - _WELL_BEFORE_S
        again = [
            hit
            for hit in hits
            if hit.span.end_s <= sure_until_s or any(_is_same(hit, other) for other in self._seen)
        ]
        self._seen += tuple(hit for hit in hits if hit not in again)
        self._is_open = len(again) < len(hits)
        if not again:
            return None
        n_words = self._fewest(segment, words, again)
        if n_words is None:
            return None
        return self._ear.believe(segment, words[:n_words])

    def _fewest(
        self, segment: Segment, words: Sequence[RecognisedWord], again: Sequence[Hit]
    ) -> int | None:
        """How many words it takes to raise what was seen again; None if they raise more."""
        few, enough = 0, len(words)
        while few + 1 < enough:
            middle = (few + enough) // 2
            raised = self._raised_by(segment, words[:middle])
            if all(any(_is_same(hit, other) for other in raised) for hit in again):
                enough = middle
            else:
                few = middle
        raised = self._raised_by(segment, words[:enough])
        is_all_seen = all(any(_is_same(hit, other) for other in again) for hit in raised)
        return enough if is_all_seen else None

    def _raised_by(self, segment: Segment, words: Sequence[RecognisedWord]) -> tuple[Hit, ...]:
        utterance = self._ear.guessed(segment, words)
        return () if utterance is None else self._session.would_raise(utterance)


def _is_same(hit: Hit, other: Hit) -> bool:
    return hit.rule_id == other.rule_id and hit.span.gap_s(other.span) <= _SAME_PLACE_S
