"""What people said, held against sentences that a rule gives as examples of what it means.

The embedder that turns a sentence into a vector is handed to the engine: `speech.embedding` has
one. What is compared depends on words, punctuation, pauses and times alone, never on how a
recogniser cut its utterances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rules.conditions import SimilarCondition, walk
from rules.errors import RuleInputError
from rules.plan import Plan
from rules.rulebook import Rulebook, RuleStatus

if TYPE_CHECKING:  # vectors only pass through here: most rule books need no numpy
    import numpy as np
    from numpy.typing import NDArray

MIN_WORDS = 3  # "yes" and "of course" mean too little by themselves to be compared
MAX_SENTENCE_WORDS = 40  # where nobody writes full stops, a sentence is cut here
OVERLAP_WORDS = 12  # so many words of it are looked at again with those that follow
PAUSE_S = 1.5  # a longer silence ends a sentence that has no full stop
MAX_WINDOWS = 16  # of one sentence
NEAR_MISS_RATIO = 0.3  # below the limit by no more than this: worth telling who asks why
_STEP_WORDS = 4
_CLAUSE_ENDS = (",", ";", ":", "\u2014", "\u2013", "...", "\u2026")


class Embedder(Protocol):
    """Turns sentences into vectors."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (n_texts, n_dims), rows of length 1.

        The row of a text is the same whatever other texts come with it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """How close a stretch of a sentence comes to a condition's examples."""

    first: int  # index of its first word in the sentence
    last: int
    similarity: float  # cosine, at most 1.0, in thousandths
    example: str  # the nearest one
    is_met: bool


def rules_with_similarity(rulebook: Rulebook, statuses: Collection[RuleStatus]) -> tuple[str, ...]:
    """Ids of the rules that need an embedder to run."""
    return tuple(
        rule.id
        for rule in rulebook.rules
        if rule.status in statuses
        and any(isinstance(part, SimilarCondition) for part in walk(rule.condition))
    )


class Examples:
    """The example sentences of some conditions, embedded once.

    Args:
        conditions: By any number of the caller's.
        embedder: Turns sentences into vectors.
    """

    def __init__(self, conditions: Mapping[int, SimilarCondition], embedder: Embedder) -> None:
        self._embedder = embedder
        self._conditions = conditions
        texts = dict.fromkeys(
            text for each in conditions.values() for text in (*each.to, *each.unlike)
        )
        self._column = {text: i for i, text in enumerate(texts)}
        plain = [_plain(text) for text in texts]
        self._vectors = embedder.embed(plain).T  # shape (n_dims, n_texts)

    def compare(
        self, words: Sequence[str], numbers: Collection[int]
    ) -> Iterator[tuple[int, Closeness]]:
        """For each condition, the stretch of a sentence that comes closest to its examples.

        Args:
            words: The sentence, as said, at least one word.
            numbers: Of the conditions to compare it with.
        """
        stretches = windows(words)
        if not numbers or not stretches:
            return
        texts = [_plain(" ".join(words[first : last + 1])) for first, last in stretches]
        table = (self._embedder.embed(texts) @ self._vectors).tolist()
        for number in numbers:
            condition = self._conditions[number]
            nearest = [
                self._closeness(condition, stretch, row)
                for stretch, row in zip(stretches, table, strict=True)
            ]
            # Of equally close ones the first, which is the longest.
            yield number, max(nearest, key=lambda each: (each.is_met, each.similarity))

    def _closeness(
        self, condition: SimilarCondition, stretch: tuple[int, int], row: Sequence[float]
    ) -> Closeness:
        # In thousandths: beyond that, processors may differ.
        near = {text: round(row[self._column[text]], 3) for text in condition.to}
        example = max(near, key=near.__getitem__)
        similarity = near[example]
        against = max((row[self._column[text]] for text in condition.unlike), default=-1.0)
        return Closeness(
            first=stretch[0],
            last=stretch[1],
            similarity=similarity,
            example=example,
            is_met=similarity >= condition.min_similarity and similarity > round(against, 3),
        )


def examples_of(plan: Plan, embedder: Embedder | None) -> Examples | None:
    """The examples of all conditions of a plan; None where there are none.

    Raises:
        RuleInputError: there are some, and no embedder.
    """
    conditions = {
        node.number: node.condition
        for node in plan.similar
        if isinstance(node.condition, SimilarCondition)
    }
    if not conditions:
        return None
    if embedder is None:
        rule = plan.rules[plan.similar[0].rule_index]
        raise RuleInputError(
            f"rule {rule.id} has a `similar` condition, and no model of sentences was given; "
            "install the extra `earmark[similarity]`"
        )
    return Examples(conditions, embedder)


def _plain(text: str) -> str:
    """Without what recognisers write behind a sentence or not; a question stays one."""
    return text.rstrip(".,;:!\u2026\u2014\u2013\"' ")


def ends_clause(text: str) -> bool:
    """Whether a comma or the like stands behind a word."""
    return text.endswith(_CLAUSE_ENDS)


def windows(words: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The stretches of a sentence that are compared, as first and last index.

    The whole sentence, each clause and each two clauses in a row, and pieces of long clauses.

    >>> windows("Look, with us you are never going to lose money".split())
    ((0, 9), (1, 9))
    """
    found = {(0, len(words) - 1): None}
    clauses: list[tuple[int, int]] = []
    start = 0
    for i, word in enumerate(words):
        if ends_clause(word) or i == len(words) - 1:
            clauses.append((start, i))
            start = i + 1
    for i, (first, last) in enumerate(clauses):
        found[first, last] = None
        if i:
            found[clauses[i - 1][0], last] = None
    for first, last in clauses:
        for begin in range(first, last - OVERLAP_WORDS + 2, _STEP_WORDS):
            found[begin, begin + OVERLAP_WORDS - 1] = None
        if last - first >= OVERLAP_WORDS:
            found[last - OVERLAP_WORDS + 1, last] = None
    long_enough = [(a, b) for a, b in found if b - a + 1 >= MIN_WORDS]
    return tuple(long_enough[:MAX_WINDOWS])
