"""How the cost of a sentence grows from 10 to 2,000 phrases: ours against one `re` for each phrase.

    python tests/benchmarks/bench_phrases.py

Prints, for both, sentences a second with 10 and with 2,000 phrases, the ratio of the costs, and the
memory that the compiled phrases take. The phrases and sentences are made from one vocabulary, so
the sentences begin many phrases that they do not end.
"""

from __future__ import annotations

import random
import re
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from rules.conditions import Phrase, PhraseCondition
from rules.engine import Engine
from rules.rulebook import Rule, Rulebook, RuleLocation
from rules.types import Severity, Span, Utterance, utterance_from_text

SEED = 4
N_SENTENCES = 400
N_WORDS = 12
ROUNDS = 5
SIZES = (10, 2000)


def vocabulary(random_: random.Random) -> list[str]:
    """Words with the lengths of English ones, a few of them very common."""
    letters = "etaoinshrdlu"
    return ["".join(random_.choices(letters, k=random_.randint(2, 9))) for _ in range(1500)]


def texts(random_: random.Random, words: Sequence[str], n: int, n_words: int) -> list[str]:
    """Sentences whose words are as unevenly frequent as in speech."""
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return [" ".join(random_.choices(words, weights, k=n_words)) for _ in range(n)]


def engine_of(phrases: Sequence[str]) -> Engine:
    """An engine with one rule."""
    rule = Rule(
        id="bench.phrases",
        version=1,
        title="T",
        description="D",
        severity=Severity.LOW,
        condition=PhraseCondition(any_of=tuple(Phrase(text=text) for text in phrases)),
        location=RuleLocation(path=Path(__file__), line=1, column=1),
    )
    return Engine(Rulebook(rules=(rule,), packs=(), fingerprint=""), timeline=False)


def ours(engine: Engine, said: Sequence[Utterance]) -> int:
    """Number of hits, each sentence a call of its own."""
    return sum(len(engine.feed(engine.start(), utterance).hits) for utterance in said)


def loop(patterns: Sequence[re.Pattern[str]], said: Sequence[Utterance]) -> int:
    """The same by one regular expression for each phrase."""
    return sum(any(pattern.search(utterance.text) for pattern in patterns) for utterance in said)


def fastest_s(work: Callable[[], int]) -> float:
    """The least time of some rounds; a noisy machine only ever adds."""
    times: list[float] = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - start_s)
    return min(times)


def main() -> None:
    """Measure and print."""
    random_ = random.Random(SEED)  # noqa: S311 - made-up words, no secrets
    words = vocabulary(random_)
    said = [
        utterance_from_text(text, Span(0.0, 5.0), id=str(i), speaker="a")
        for i, text in enumerate(texts(random_, words, N_SENTENCES, N_WORDS))
    ]
    phrases = texts(random_, words, max(SIZES), 3)
    costs: dict[str, list[float]] = {"earmark": [], "re loop": []}
    for size in SIZES:
        tracemalloc.start()
        engine = engine_of(phrases[:size])
        ours(engine, said)
        memory_bytes = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        patterns = [re.compile(rf"\b{re.escape(phrase)}\b") for phrase in phrases[:size]]
        hits = (ours(engine, said), loop(patterns, said))
        costs["earmark"].append(fastest_s(lambda engine=engine: ours(engine, said)))
        costs["re loop"].append(fastest_s(lambda patterns=patterns: loop(patterns, said)))
        print(
            f"{size:>5} phrases: earmark {N_SENTENCES / costs['earmark'][-1]:>8.0f} sentences/s, "
            f"{memory_bytes / 2**20:.1f} MiB, {hits[0]} hits; "
            f"re loop {N_SENTENCES / costs['re loop'][-1]:>8.0f} sentences/s, {hits[1]} hits"
        )
    for name, (few_s, many_s) in costs.items():
        print(f"{name}: {SIZES[1]} phrases cost {many_s / few_s:.2f} times what {SIZES[0]} cost")


if __name__ == "__main__":
    main()
