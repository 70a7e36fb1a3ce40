"""What an audit costs beside its models: all stages, with engines that cost nothing.

Usage: python tests/benchmarks/bench_audit_overhead.py [--recordings N] [--profile]

Calls of one recording of a second each lie in a folder, with SQLite beside it, as a live side
leaves them. Speech detection and recogniser are replaced by ones that answer at once. Everything
else of an audit is there: finding, claims, fetching and hashing, decoding, manifests of stages,
rules, reports as page and JSON, findings. The peer does what nobody can do without: it reads,
hashes and decodes the same files, and nothing else.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import io
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import offline.transcript  # noqa: E402 - the path comes first
from offline.audit import Auditor  # noqa: E402
from offline.engines import Loaded  # noqa: E402
from offline.find import Finder  # noqa: E402
from rules.loader import load_rulebook  # noqa: E402
from speech.audio import decode  # noqa: E402
from speech.recogniser import RecognisedWord, Recognition  # noqa: E402
from speech.vad import SampleRange, VadModel, VadOptions  # noqa: E402
from storage.database import Database, open_database  # noqa: E402
from storage.objects import ObjectStore, open_objects  # noqa: E402
from tests.offline.builders import STARTED_AT, demo_sound, store_call, vad_model, write_wav  # noqa: E402

MOST_MS = 50.0
DAY = date(2026, 3, 1)
TEXT = "My card number is 4539 1488 0343 6467 and this call is being recorded."


class Instant:
    """A recogniser that says the same at once."""

    name = "instant"
    batch_size = 8

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> tuple[Recognition, ...]:
        """The same words for each piece."""
        return tuple(Recognition(words=self._words(piece)) for piece in pieces)

    def _words(self, samples: NDArray[np.float32]) -> tuple[RecognisedWord, ...]:
        """The same words, spread over the samples."""
        words = TEXT.split()
        each_s = len(samples) / 16_000 / len(words)
        return tuple(
            RecognisedWord(text=word, start_s=i * each_s, end_s=(i + 1) * each_s, confidence=0.9)
            for i, word in enumerate(words)
        )

    def close(self) -> None:
        """Nothing to let go of."""


class InstantEngines:
    """Engines that cost nothing."""

    def describe(self) -> Mapping[str, object]:
        """See `Engines.describe`."""
        return {"transcriber": "instant"}

    def load(self) -> Loaded:
        """See `Engines.load`."""
        return Loaded(vad=vad_model(), recogniser=Instant())


def all_is_speech(
    samples: NDArray[np.float32], model: VadModel, options: VadOptions
) -> tuple[SampleRange, ...]:
    """Speech detection that costs nothing."""
    return (SampleRange(start_sample=0, end_sample=len(samples)),)


def make_calls(database: Database, objects: ObjectStore, folder: Path, n_calls: int) -> None:
    """Calls of one tiny recording each, no two the same file."""
    piece = demo_sound("agent")[16_000 : 2 * 16_000]
    for number in range(n_calls):
        wav = write_wav(folder / "sound.wav", piece * (1 - number / (2 * n_calls)))
        store_call(
            database,
            objects,
            {"agent": wav.read_bytes()},
            room_sid=f"RM_{number}",
            started_at=STARTED_AT + timedelta(seconds=number),
            duration_s=1.0,
        )


def peer(objects: ObjectStore, keys: list[str]) -> list[float]:
    """Read, hash and decode each file. Returns seconds of each."""
    took: list[float] = []
    for key in keys:
        begun_s = time.perf_counter()
        path = Path(objects.url(key))
        hashlib.sha256(path.read_bytes()).hexdigest()
        decode(path)
        took.append(time.perf_counter() - begun_s)
    return took


def audit_all(database: Database, objects: ObjectStore) -> tuple[float, list[float]]:
    """Find and audit all calls. Returns seconds of finding, and of each audit."""
    begun_s = time.perf_counter()
    calls = Finder(database, objects).by_day(DAY).calls
    found_s = time.perf_counter() - begun_s
    auditor = Auditor(
        database=database, objects=objects, rulebook=load_rulebook(), engines=InstantEngines()
    )
    took: list[float] = []
    for call in calls:
        begun_s = time.perf_counter()
        outcome = auditor.audit(call)
        took.append(time.perf_counter() - begun_s)
        if outcome.was_done or not outcome.report.findings or not outcome.report.is_complete:
            raise SystemExit("an audit did not do its work")
    return found_s, took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=2000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    offline.transcript.speech_ranges = all_is_speech  # type: ignore[attr-defined, assignment]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = open_database(f"sqlite:///{folder / 'earmark.db'}", create=True)
        objects = open_objects(str(folder / "objects"))
        make_calls(database, objects, folder, given.recordings)
        keys = [i.key for i in objects.list("recordings/") if not i.key.endswith(".json")]
        alone = peer(objects, keys)
        profile = cProfile.Profile()
        cpu_s = time.process_time()
        if given.profile:
            profile.enable()
        found_s, took = audit_all(database, objects)
        profile.disable()
        cpu_s = time.process_time() - cpu_s
        left = list(objects.list("work/"))
        database.close()
    if len(took) != given.recordings or left:
        raise SystemExit("not all was audited, or stages are left")
    each_ms = 1000 * (found_s + sum(took)) / len(took)
    peer_ms = 1000 * statistics.mean(alone)
    print(f"recordings              {len(took)}, of one second each")
    print(f"finding them            {1000 * found_s / len(took):6.1f} ms each")
    print(
        f"auditing them           {1000 * statistics.mean(took):6.1f} ms each; median "
        f"{1000 * statistics.median(took):.1f}, 95th percentile "
        f"{1000 * statistics.quantiles(took, n=20)[-1]:.1f}"
    )
    print(f"processor time          {1000 * cpu_s / len(took):6.1f} ms each")
    print(f"peer: read, hash, decode {peer_ms:5.1f} ms each")
    print(f"overhead                {each_ms:6.1f} ms each, {each_ms / peer_ms:.1f} times the peer")
    print(f"target                  {MOST_MS:6.1f} ms: {'met' if each_ms <= MOST_MS else 'MISSED'}")
    if given.profile:
        out = io.StringIO()
        pstats.Stats(profile, stream=out).sort_stats("cumulative").print_stats(70)
        print(out.getvalue())


if __name__ == "__main__":
    main()
