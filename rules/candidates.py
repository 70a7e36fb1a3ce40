"""The numbers that a run of digits may mean: the whole, its parts at seams, and corrected forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rules.spoken import Digit, Reading

MAX_CORRECTED = 4  # digits that one "no, sorry" takes back at most
MIN_RESTARTED = 7
MIN_AFTER_LONE = 12
MAX_CUTS = 6


class Candidate(NamedTuple):
    """One possible number."""

    digits: tuple[Digit, ...]
    whole: bool  # nothing of the run is left out
    at_end: bool  # it reaches the end of what was said so far

    @property
    def value(self) -> str:
        """The digits as text."""
        return "".join(digit.value for digit in self.digits)

    @property
    def groups(self) -> tuple[int, ...]:
        """How many digits were said together, group by group."""
        sizes: list[int] = []
        previous: int | None = None
        for digit in self.digits:
            if digit.group == previous:
                sizes[-1] += 1
            else:
                sizes.append(1)
            previous = digit.group
        return tuple(sizes)


def candidates(reading: Reading) -> Iterator[Candidate]:
    """The whole run first, then the longer before the shorter.

    A piece is only offered where the speaker made a seam (a sentence end, a silence, "and", a
    homophone): a window inside a longer number is no candidate.
    """
    digits = reading.digits
    sure = digits
    while sure and sure[-1].unsure:
        sure = sure[:-1]
    if not sure:
        return
    yield Candidate(sure, whole=True, at_end=True)
    half = len(sure) // 2
    if half and [d.value for d in sure[:half]] == [d.value for d in sure[half:]]:
        yield Candidate(sure[:half], whole=True, at_end=True)  # said twice, to be sure
    for corrected in _corrected(sure, reading.corrections):
        yield Candidate(corrected, whole=True, at_end=True)
    starts = [0, *[i for i, digit in enumerate(digits) if digit.cut and i][-MAX_CUTS:]]
    if len(digits) > MIN_AFTER_LONE and digits[0].group != digits[1].group:
        starts.append(1)  # "a longer one, six seven five nine, …"
    n_leading = next((i for i, digit in enumerate(digits) if not digit.oh), 0)
    if n_leading:
        starts.append(n_leading)  # "oh, four five three nine"
    ends = [*starts[1:], len(digits), len(sure)]
    pairs = {(a, b) for a in starts for b in ends if a < b} - {(0, len(sure))}
    for a, b in sorted(pairs, key=lambda pair: (pair[0] - pair[1], pair)):
        yield Candidate(digits[a:b], whole=False, at_end=b >= len(sure))


def _corrected(digits: Sequence[Digit], corrections: Sequence[int]) -> Iterator[tuple[Digit, ...]]:
    """Take back 1 to 4 digits before each of the last two corrections."""
    places = [place for place in corrections if 0 < place < len(digits)][-2:]
    if not places:
        return
    last = places[-1]
    if last > MAX_CORRECTED and len(digits) - last >= MIN_RESTARTED:
        yield tuple(digits[last:])  # said anew from the beginning
    for n in range(1, min(MAX_CORRECTED, last) + 1):
        shorter = (*digits[: last - n], *digits[last:])
        yield shorter
        if len(places) == 2 and places[0] <= last - n:
            for m in range(1, min(MAX_CORRECTED, places[0]) + 1):
                yield (*shorter[: places[0] - m], *shorter[places[0] :])
