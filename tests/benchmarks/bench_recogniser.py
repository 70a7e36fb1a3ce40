"""How long live recognition takes, against faster-whisper with its own defaults, on one machine.

Usage: python tests/benchmarks/bench_recogniser.py [--rounds N]

Both sides hear the same pieces of speech with the same weights and threads, in turn. Repeated
digits are where the defaults are slow: they try again at higher temperatures when a decoder loops.
Then pieces of several rooms are recognised one by one, and together in batches.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from speech.audio import decode  # noqa: E402 - the path comes first
from speech.batched_whisper import BatchedWhisper  # noqa: E402
from speech.models import find_model  # noqa: E402
from speech.vad import LIVE as LIVE_VAD  # noqa: E402
from speech.vad import VadModel, speech_ranges  # noqa: E402
from speech.whisper import LIVE  # noqa: E402

MODEL_ID = "faster-whisper-tiny.en"
THREADS = 2
CLIPS = {
    "a conversation": ROOT / "tests/fixtures/audio/clean-agent.ogg",
    "a card number": ROOT / "earmark/demo_audio/customer.ogg",
    "repeated digits": ROOT / "tests/fixtures/audio/repeated-customer.ogg",
}

Recognise = Callable[[NDArray[np.float32]], Any]


def elapsed_s(recognise: Recognise, pieces: list[NDArray[np.float32]]) -> float:
    """Wall time of all pieces."""
    started_s = time.perf_counter()
    for piece in pieces:
        recognise(piece)
    return time.perf_counter() - started_s


def main() -> None:
    """Measure and print medians and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (default 5)")
    rounds = parser.parse_args().rounds
    models_dir = user_cache_path("earmark") / "models"
    folder = find_model(MODEL_ID, models_dir)
    vad = VadModel(find_model("silero-vad", models_dir))
    ours = BatchedWhisper(folder, LIVE, name=MODEL_ID, cpu_threads=THREADS)
    plain = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=THREADS)

    def defaults(samples: NDArray[np.float32]) -> list[Any]:
        return list(plain.transcribe(samples, language="en", word_timestamps=True)[0])

    print(f"{'clip':<18}{'speech':>9}{'ours':>9}{'defaults':>10}{'ours/defaults':>15}")
    for name, path in CLIPS.items():
        samples = decode(path).samples[0]
        pieces = [
            samples[r.start_sample : r.end_sample] for r in speech_ranges(samples, vad, LIVE_VAD)
        ]
        elapsed_s(ours.transcribe, pieces[:1]), elapsed_s(defaults, pieces[:1])  # warm up
        pairs = [
            (elapsed_s(ours.transcribe, pieces), elapsed_s(defaults, pieces)) for _ in range(rounds)
        ]
        speech_s = sum(map(len, pieces)) / 16_000
        a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(x / y for x, y in pairs)
        print(f"{name:<18}{speech_s:>7.1f} s{a:>7.2f} s{b:>8.2f} s{ratio:>15.2f}")
    batches(ours, vad, rounds)


def batches(ours: BatchedWhisper, vad: VadModel, rounds: int) -> None:
    """Throughput of batches against one piece after the other."""
    samples = np.concatenate([decode(path).samples[0] for path in list(CLIPS.values())[:2]])
    pieces = sorted(
        (samples[r.start_sample : r.end_sample] for r in speech_ranges(samples, vad, LIVE_VAD)),
        key=len,
    )
    speech_s = sum(map(len, pieces)) / 16_000

    def taken_s(size: int) -> float:
        started_s = time.perf_counter()
        for first in range(0, len(pieces), size):
            ours.recognise(pieces[first : first + size])
        return time.perf_counter() - started_s

    print(f"\n{'pieces together':<18}{'speech/time':>12}{'against one':>13}")
    times = {size: [] for size in (1, 2, 4, 8)}
    for _ in range(rounds):
        for size, measured in times.items():
            measured.append(taken_s(size))
    for size, measured in times.items():
        ratio = statistics.median(a / b for a, b in zip(measured, times[1], strict=True))
        print(f"{size:<18}{speech_s / statistics.median(measured):>12.1f}{ratio:>13.2f}")


if __name__ == "__main__":
    main()
