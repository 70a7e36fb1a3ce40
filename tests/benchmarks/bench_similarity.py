"""What `similar` costs, against the same examples as fuzzy phrases and against naive embedding.

    python tests/benchmarks/bench_similarity.py

The sentences are those of everyday talk, in one call; each engine is fed the same events. The naive
peer embeds every window of 4 to 12 words, one model call for each sentence, with padding.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rules.conditions import Condition, Phrase, PhraseCondition, SimilarCondition
from rules.engine import Engine
from rules.lint import everyday_talk
from rules.rulebook import Rule, Rulebook, RuleLocation
from rules.similarity import Embedder
from rules.types import CallEnded, Event, Severity, Span, utterance_from_text
from speech.embedding import load_embedder

EXAMPLES = (
    "You will never lose money with us.",
    "Your money is completely safe with us.",
    "This investment cannot go wrong.",
    "It is impossible to lose money on this.",
    "Nobody has ever lost money with us.",
    "You can only win with this.",
)
SECONDS_PER_WORD = 0.4


def engine_of(condition: Condition, embedder: Embedder | None = None) -> Engine:
    """An engine with one rule."""
    rule = Rule(
        id="bench.similar",
        version=1,
        title="T",
        description="D",
        severity=Severity.LOW,
        condition=condition,
        location=RuleLocation(path=Path(__file__), line=1, column=1),
    )
    return Engine(Rulebook(rules=(rule,), packs=(), fingerprint=""), embedder=embedder)


def call() -> tuple[list[Event], float]:
    """All sentences as one call, and how long it takes to say them."""
    events: list[Event] = []
    at_s = 0.0
    for i, text in enumerate(everyday_talk()):
        span = Span(at_s, at_s + SECONDS_PER_WORD * len(text.split()))
        events.append(utterance_from_text(text, span, id=str(i), speaker="a"))
        at_s = span.end_s
    return [*events, CallEnded(at_s=at_s)], at_s


def fed_s(engine: Engine, events: list[Event]) -> float:
    """Seconds for the whole call."""
    start_s = time.perf_counter()
    state = engine.start()
    for event in events:
        state = engine.feed(state, event).state
    return time.perf_counter() - start_s


def naive_s(embedder: Embedder) -> float:
    """Seconds for every window of 4 to 12 words of every sentence."""
    start_s = time.perf_counter()
    for text in everyday_talk():
        words = text.split()
        embedder.embed(
            [
                " ".join(words[first : first + n])
                for n in range(4, 13)
                for first in range(max(1, len(words) - n + 1))
            ]
        )
    return time.perf_counter() - start_s


def main() -> None:
    """Measure and print."""
    events, said_s = call()
    with TemporaryDirectory() as folder:

        def fresh() -> Embedder:
            return load_embedder(Path(folder))

        phrases = tuple(Phrase(text=text, slop=3, fuzzy=1) for text in EXAMPLES)
        runs: dict[str, Callable[[], float]] = {
            "similar": lambda: fed_s(engine_of(SimilarCondition(to=EXAMPLES), fresh()), events),
            "fuzzy phrases": lambda: fed_s(engine_of(PhraseCondition(any_of=phrases)), events),
            "every window": lambda: naive_s(fresh()),
        }
        taken = {name: min(run() for _ in range(3)) for name, run in runs.items()}
    n = len(everyday_talk())
    for name, each_s in taken.items():
        print(f"{name:>14}: {1000 * each_s / n:7.3f} ms a sentence, {n} of them", end="")
        print(f", {each_s / taken['similar']:.3f} times the cost of similar", end="")
        print(f", {said_s / each_s:.0f} times faster than speech")


if __name__ == "__main__":
    main()
