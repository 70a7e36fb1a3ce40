"""What short windows cost in accuracy, against faster-whisper's windows of thirty seconds.

Usage: python tests/benchmarks/bench_short_windows.py [--lines N]

Needs espeak-ng on PATH. Lines of the development set of spoken identifiers are spoken by three
voices and recognised by both sides with the same weights. Printed are identifiers of which the kind
was found, those that came back digit for digit, harmless lines that were flagged, and time.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from rules.loader import load_rulebook  # noqa: E402 - the path comes first
from rules.records import Scanner, parse_record  # noqa: E402
from speech.audio import SAMPLE_RATE_HZ, decode  # noqa: E402
from speech.batched_whisper import BatchedWhisper  # noqa: E402
from speech.models import find_model  # noqa: E402
from speech.vad import LIVE as LIVE_VAD  # noqa: E402
from speech.vad import VadModel, speech_ranges  # noqa: E402
from speech.whisper import LIVE, FasterWhisper  # noqa: E402

MODEL_ID = "faster-whisper-tiny.en"
LINES = ROOT / "tests/rules/data/spoken_ids.jsonl"
VOICES = ("en-us", "en-us+f2", "en-us+m3")


def spoken(text: str, voice: str) -> NDArray[np.float32]:
    """A line with silence around it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", "145", "-w", file.name, "--", text], check=True
        )
        samples = decode(Path(file.name)).samples[0]
    quiet = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    loud = samples * np.float32(0.5 / np.abs(samples).max())
    return np.concatenate([quiet, loud, quiet, quiet])


def found(recogniser: Any, samples: NDArray[np.float32], vad: VadModel, scanner: Scanner) -> Any:
    """The identifiers in a line."""
    segments = []
    for piece in speech_ranges(samples, vad, LIVE_VAD):
        words = recogniser.transcribe(samples[piece.start_sample : piece.end_sample])
        if words:
            start_s, end_s = (n / SAMPLE_RATE_HZ for n in (piece.start_sample, piece.end_sample))
            text = " ".join(word.text for word in words)
            segments.append({"speaker": "a", "start": start_s, "end": end_s, "text": text})
    if not segments:
        return []
    record = parse_record(json.dumps({"id": "line", "segments": segments}))
    entities = scanner.scan(record, show_values=True)["entities"]
    return [entity for entity in entities if entity["entity"] != "DATE_TIME"]


def main() -> None:
    """Measure and print both sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=150, help="how many lines (default 150)")
    n_lines = parser.parse_args().lines
    models_dir = user_cache_path("earmark") / "models"
    folder = find_model(MODEL_ID, models_dir)
    vad = VadModel(find_model("silero-vad", models_dir))
    scanner = Scanner.of(load_rulebook())
    lines = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()]
    random.Random(5).shuffle(lines)  # noqa: S311 - the same lines each time
    sides = {
        "short windows": BatchedWhisper(folder, LIVE, name=MODEL_ID),
        "thirty seconds": FasterWhisper(folder, LIVE, name=MODEL_ID),
    }
    counts = {name: [0, 0, 0] for name in sides}
    took_s = dict.fromkeys(sides, 0.0)
    for number, line in enumerate(lines[:n_lines]):
        samples = spoken(line["text"], VOICES[number % len(VOICES)])
        for name, recogniser in sides.items():
            began_s = time.perf_counter()
            entities = found(recogniser, samples, vad, scanner)
            took_s[name] += time.perf_counter() - began_s
            pairs = {(entity["entity"], entity["value"]) for entity in entities}
            wanted = {(entity["entity"], entity["value"]) for entity in line["entities"]}
            counts[name][0] += bool({kind for kind, _ in pairs} & {kind for kind, _ in wanted})
            counts[name][1] += bool(pairs & wanted)
            counts[name][2] += bool(pairs) and not wanted
    n_identifiers = sum(bool(line["entities"]) for line in lines[:n_lines])
    print(f"{n_identifiers} identifiers, {n_lines - n_identifiers} harmless lines")
    print(f"{'':<16}{'kind':>6}{'exact':>7}{'flagged':>9}{'time':>9}")
    for name, (kind, exact, flagged) in counts.items():
        print(f"{name:<16}{kind:>6}{exact:>7}{flagged:>9}{took_s[name]:>7.1f} s")
    short_s, long_s = took_s.values()
    print(f"ratio of time{short_s / long_s:>26.2f}")


if __name__ == "__main__":
    main()
