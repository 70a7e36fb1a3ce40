"""The second ear: numbers that are not whole are heard once more, and the best reading counts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime import metrics
from realtime.errors import RecognitionDropped, RecognitionError
from realtime.recognition import AsyncRecogniser
from realtime.ticket import Ticket
from rules.readings import WHOLE_SCORE, may_hold_number
from rules.types import Utterance
from speech.recogniser import RecognisedWord, Recognition

log = logging.getLogger(__name__)

# The speaker's next words wait behind it. What takes longer comes too late to be of use live, and
# the audit hears everything by the larger model anyway.
AGAIN_TIMEOUT_S = 5.0


class Judge(Protocol):
    """What the rules make of a reading; a `CallSession`."""

    def weigh(self, utterance: Utterance) -> float:
        """How certain the personal data is that it would lead to, in [0.0, 1.0]."""

    def is_awaited(self, utterance: Utterance) -> bool:
        """Whether a number was announced in it, and something else follows."""


AsUtterance = Callable[[Sequence[RecognisedWord]], Utterance | None]
OnWorked = Callable[[float], None]


class SecondEar:
    """Decides what is heard once more, and which reading counts. One an ear.

    Args:
        recogniser: Gives several readings of a piece, see `Recognition.others`.
        judge: Weighs readings.
        timeout_s: For how long a piece may keep what was said behind it waiting.
    """

    def __init__(
        self, recogniser: AsyncRecogniser, judge: Judge, *, timeout_s: float = AGAIN_TIMEOUT_S
    ) -> None:
        self._recogniser = recogniser
        self._judge = judge
        self._timeout_s = timeout_s

    async def better(
        self,
        samples: NDArray[np.float32],
        first: Recognition,
        ticket: Ticket,
        *,
        as_utterance: AsUtterance,
        on_worked: OnWorked | None = None,
    ) -> Recognition:
        """The best reading of a piece of speech.

        Args:
            samples: The piece, mono, shape (n_samples,), 16 kHz, range [-1.0, 1.0]. Not modified.
            first: What the first ear read.
            ticket: Of the piece.
            as_utterance: Puts a reading's words on the call clock; None where there are none.
            on_worked: Told how long it took, in seconds, if the piece was heard once more.

        Returns:
            The first reading where that is whole, holds nothing like a number, or the second ear
            fails or is too busy.
        """
        said = as_utterance(first.words)
        if said is None:
            return first
        if not may_hold_number(said) and not self._judge.is_awaited(said):
            return first
        known = self._judge.weigh(said)
        if known >= WHOLE_SCORE:
            return first
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                second = await self._recogniser.transcribe(samples, ticket)
        except RecognitionDropped:  # its queue is full: `recognition.second_recogniser`
            metrics.heard_again("busy")
            return first
        except (RecognitionError, TimeoutError) as exc:
            log.warning("a number was not heard once more", extra={"error": type(exc).__name__})
            metrics.heard_again("failed")
            return first
        finally:
            if on_worked is not None:
                on_worked(time.monotonic() - began_s)
        best = self._best(first, known, second, as_utterance)
        metrics.heard_again("kept" if best is first else "replaced")
        return best

    def _best(
        self, first: Recognition, known: float, second: Recognition, as_utterance: AsUtterance
    ) -> Recognition:
        """The reading that weighs most.

        Of readings that weigh the same the larger model's plain one is the likeliest. Readings
        under its prompt are taken only for a number that the others have not.
        """
        plain = replace(second, others=())
        best, best_weight = first, known
        for reading in (plain, *(Recognition(words=words) for words in second.others)):
            said = as_utterance(reading.words)
            if said is None:
                continue
            weight = self._judge.weigh(said)
            if weight > best_weight or (reading is plain and weight == best_weight):
                best, best_weight = reading, weight
        return best
