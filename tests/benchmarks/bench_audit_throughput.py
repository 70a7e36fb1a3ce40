"""How fast recordings become words and voices, against the usual tools one after the other.

Usage: python tests/benchmarks/bench_audit_throughput.py [FILE…] [--threads N] [--model base]
       [--pyannote FOLDER] [--repeat N]

In one run, on the same weights and threads: our transcription (and diarization, where it is
installed) of each file, against openai-whisper's `transcribe` with word times (and a pipeline of
pyannote.audio, where a folder with one is given), which are called one after the other. Loading
models counts for neither side. Printed are seconds of audio a second of work, and the ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

_SAMPLES = [
    ROOT / "tests/fixtures/audio/clean-agent.ogg",
    ROOT / "earmark/demo_audio/customer.ogg",
]
SAMPLE_RATE_HZ = 16_000

Work = Callable[[Any], object]


def main() -> None:
    """Measure both sides and print the parts and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, default=_with_pyannotes_sample())
    parser.add_argument("--threads", type=int, default=2, help="of either side (default 2)")
    parser.add_argument("--model", default="base", help="of either side (default base)")
    parser.add_argument("--pyannote", type=Path, help="folder with a pipeline of pyannote.audio")
    parser.add_argument("--repeat", type=int, default=1, help="hear each file so often in a row")
    asked = parser.parse_args()
    # Before anything loads OpenMP: the same threads for all, and none that burn time by waiting.
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

    import numpy as np

    from speech.audio import decode

    sounds = {
        path.name: np.tile(decode(path).samples.mean(axis=0), asked.repeat) for path in asked.files
    }
    sides = {
        "ours": _ours(asked.model, asked.threads),
        "one after the other": _theirs(asked.model, asked.threads, asked.pyannote),
    }
    audio_s = sum(len(samples) for samples in sounds.values()) / SAMPLE_RATE_HZ
    print(f"{len(sounds)} files, {audio_s:.0f} s of audio, {asked.threads} threads")
    totals: dict[str, float] = {}
    parts: dict[tuple[str, str], float] = {}
    cpu: dict[str, float] = {}
    warm_up = next(iter(sounds.values()))[: 15 * SAMPLE_RATE_HZ]
    for side, works in sides.items():
        for part, work in works.items():
            work(warm_up)
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            for samples in sounds.values():
                work(samples)
            taken_s = time.perf_counter() - began_s
            parts[side, part] = taken_s
            totals[side] = totals.get(side, 0.0) + taken_s
            cpu[side] = cpu.get(side, 0.0) + time.process_time() - began_cpu_s
    print(f"\n{'':<22}{'part':<26}{'time':>10}{'audio/time':>12}")
    for (side, part), taken_s in parts.items():
        print(f"{side:<22}{part:<26}{taken_s:>8.1f} s{audio_s / taken_s:>12.1f}")
    for side, taken_s in totals.items():
        print(f"{side:<22}{'all':<26}{taken_s:>8.1f} s{audio_s / taken_s:>12.1f}")
    ours, theirs = totals.values()
    ours_cpu, theirs_cpu = cpu.values()
    print(
        f"\nours has {theirs / ours:.1f} times the throughput "
        f"({theirs_cpu / ours_cpu:.1f} times by processor time)"
    )


def _with_pyannotes_sample() -> list[Path]:
    found = importlib.util.find_spec("pyannote.audio")
    if found is None or not found.submodule_search_locations:
        return _SAMPLES
    return [*_SAMPLES, Path(found.submodule_search_locations[0]) / "sample" / "sample.wav"]


def _ours(model: str, threads: int) -> Mapping[str, Work]:
    from platformdirs import user_cache_path

    from offline.engines import LocalEngines
    from offline.transcript import transcribe

    models_dir = user_cache_path("earmark") / "models"
    loaded = LocalEngines(
        transcriber=f"faster-whisper-{model}",
        models_dir=models_dir,
        cpu_threads=threads,
        device="cpu",
    ).load()
    works: dict[str, Work] = {"transcription": lambda samples: transcribe(samples, loaded)}
    if importlib.util.find_spec("offline.diarization") is not None:
        from offline.diarization.choice import diarizer_named
        from offline.diarization.turns import VoiceBounds

        diarizer = diarizer_named("default", models_dir=models_dir, cpu_threads=threads)
        works["diarization"] = lambda samples: diarizer.diarize(samples, VoiceBounds())
    return works


def _theirs(model: str, threads: int, pipeline: Path | None) -> Mapping[str, Work]:
    import torch
    import whisper
    from platformdirs import user_cache_path

    from speech.models import find_model
    from speech.openai_whisper import alignment_heads_of, weights_of_faster_whisper

    torch.set_num_threads(threads)
    folder = find_model(f"faster-whisper-{model}", user_cache_path("earmark") / "models")
    weights = weights_of_faster_whisper(folder)
    peer = whisper.model.Whisper(whisper.model.ModelDimensions(**weights["dims"]))
    peer.load_state_dict({k: torch.as_tensor(v) for k, v in weights["model_state_dict"].items()})
    heads = torch.zeros(peer.dims.n_text_layer, peer.dims.n_text_head, dtype=torch.bool)
    heads[tuple(zip(*(alignment_heads_of(folder) or ()), strict=True))] = True
    peer.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    works: dict[str, Work] = {
        "openai-whisper": lambda samples: peer.transcribe(
            samples, language="en", word_timestamps=True, fp16=False
        )
    }
    if pipeline is not None:
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
        from pyannote.audio import Pipeline

        loaded = Pipeline.from_pretrained(pipeline)
        works["pyannote.audio"] = lambda samples: loaded(
            {"waveform": torch.from_numpy(samples)[None, :], "sample_rate": SAMPLE_RATE_HZ}
        )
    return works


if __name__ == "__main__":
    main()
