"""What a condition found, before it becomes a hit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rules.types import Span, TextRange

MAX_EXCERPT_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that a condition looks for happened."""

    speaker: str | None
    first: int = -1  # ordinals among the speaker's words; -1 = no words, as in a silence
    last: int = -1
    turn: int = -1
    span: Span
    parts: tuple[TextRange, ...] = field(default=(), repr=False)
    excerpt: str = field(default="", repr=False)  # masked
    score: float = 1.0
    at_s: float  # when it was decided

    def words_to(self, other: Occurrence) -> int | None:
        """How many words of the same speaker lie from the end of this to the start of `other`.

        Negative where `other` begins earlier; None where they cannot be compared.
        """
        if self.speaker != other.speaker or self.first < 0 or other.first < 0:
            return None
        return other.first - self.last


def merged(main: Occurrence, others: Iterable[Occurrence], *, at_s: float) -> Occurrence:
    """Several occurrences as one; `main` says whose it is."""
    found = sorted((main, *others), key=lambda o: (o.span, o.first))
    span = found[0].span
    for other in found[1:]:
        span = span.hull(other.span)
    own = [o for o in found if o.speaker == main.speaker and o.first >= 0]
    return replace(
        main,
        first=min((o.first for o in own), default=-1),
        last=max((o.last for o in own), default=-1),
        turn=max(o.turn for o in found),
        span=span,
        parts=tuple(dict.fromkeys(part for o in found for part in o.parts)),
        excerpt=_joined([o.excerpt for o in found if o.excerpt]),
        score=min(o.score for o in found),
        at_s=at_s,
    )


def _joined(excerpts: Sequence[str]) -> str:
    return " … ".join(dict.fromkeys(excerpts))[:MAX_EXCERPT_CHARS]
