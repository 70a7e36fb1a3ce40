"""How fast recordings become words and voices, against the usual tools one after the other.

Usage: python tests/benchmarks/bench_audit_throughput.py [FILE…] [--threads N] [--model base]
       [--pyannote FOLDER] [--part all|words|voices] [--word-times] [--repeat N]

In one run, in one process, on the same weights and threads, on the CPU: the audit's default
transcriber and diarizer, against openai-whisper's `transcribe` and a pipeline of pyannote.audio,
called one after the other as their READMEs say. The pipeline is the one in the folder, or one that
is made of the very weights of our diarizer. Loading models counts for neither side.

Each file is mixed to one channel, as a room composite is. Without files: real and made calls, two
and a half minutes. Printed are seconds, real-time factors (work by sound), and the ratios.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

# Tracks of a call lie side by side, and are mixed.
_CALLS = (
    ("earmark/demo_audio/agent.ogg", "earmark/demo_audio/customer.ogg"),
    ("tests/fixtures/audio/paying-agent.ogg", "tests/fixtures/audio/paying-customer.ogg"),
    ("tests/fixtures/audio/novel-reader.ogg",),
)
SAMPLE_RATE_HZ = 16_000
_WARM_UP_S = 12
LEAST_RATIO = 4.0

Work = Callable[[Any], object]


def main() -> None:
    """Measure both sides and print the parts and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--threads", type=int, default=2, help="of either side (default 2)")
    parser.add_argument("--model", default="base", help="of either side (default base)")
    parser.add_argument("--pyannote", type=Path, help="folder with a pipeline of pyannote.audio")
    parser.add_argument("--part", choices=("all", "words", "voices"), default="all")
    parser.add_argument(
        "--word-times", action="store_true", help="ask openai-whisper for word times, as we give"
    )
    parser.add_argument("--repeat", type=int, default=1, help="hear each sound so often in a row")
    asked = parser.parse_args()
    # Before anything loads OpenMP: the same threads for all, and none that burn time by waiting.
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

    import numpy as np

    sounds = [np.tile(sound, asked.repeat) for sound in _sounds(asked.files)]
    audio_s = sum(map(len, sounds)) / SAMPLE_RATE_HZ
    print(f"{len(sounds)} sounds, {audio_s:.0f} s, {asked.threads} threads, model {asked.model}")
    taken_s: dict[tuple[str, str], float] = {}
    for side, works in {"ours": _ours, "theirs": _theirs}.items():
        for part, work in works(asked).items():
            if asked.part not in ("all", part):
                continue
            work(sounds[0][: _WARM_UP_S * SAMPLE_RATE_HZ])
            began_s = time.perf_counter()
            for samples in sounds:
                work(samples)
            taken_s[side, part] = time.perf_counter() - began_s
            _show(f"{side}, {part}", taken_s[side, part], audio_s)
    parts = list(dict.fromkeys(part for _, part in taken_s))
    for part in parts:
        print(f"{part}: {taken_s['theirs', part] / taken_s['ours', part]:.1f} times the throughput")
    ours, theirs = (
        sum(s for (side, _), s in taken_s.items() if side == which) for which in ("ours", "theirs")
    )
    _show("ours, one after the other", ours, audio_s)
    _show("theirs, one after the other", theirs, audio_s)
    print(f"\nours has {theirs / ours:.1f} times the throughput (wanted: {LEAST_RATIO:.0f})")
    sys.exit(0 if theirs / ours >= LEAST_RATIO or asked.part != "all" else 1)


def _show(what: str, taken_s: float, audio_s: float) -> None:
    print(f"{what:<30}{taken_s:>8.1f} s{taken_s / audio_s:>10.3f} of real time", flush=True)


def _sounds(files: list[Path]) -> list[Any]:
    from speech.audio import decode
    from tests.offline.mixes import mixed, pyannote_sample

    if files:
        return [decode(path).samples.mean(axis=0) for path in files]
    calls = [mixed({name: decode(ROOT / name).samples[0] for name in call}) for call in _CALLS]
    return [pyannote_sample()[0], *calls]


def _ours(asked: argparse.Namespace) -> Mapping[str, Work]:
    from offline.diarization.choice import diarizer_named
    from offline.diarization.turns import VoiceBounds
    from offline.engines import LocalEngines
    from offline.transcript import transcribe

    loaded = LocalEngines(
        transcriber=f"faster-whisper-{asked.model}",
        models_dir=_models_dir(),
        cpu_threads=asked.threads,
        device="cpu",
    ).load()
    diarizer = diarizer_named("default", models_dir=_models_dir(), cpu_threads=asked.threads)
    assert diarizer is not None
    return {
        "words": lambda samples: transcribe(samples, loaded),
        "voices": lambda samples: diarizer.diarize(samples, VoiceBounds()),
    }


def _theirs(asked: argparse.Namespace) -> Mapping[str, Work]:
    import torch

    torch.set_num_threads(asked.threads)
    works: dict[str, Work] = {}
    if asked.part != "voices":
        whisper = _openai_whisper(asked.model)
        works["words"] = lambda samples: whisper.transcribe(
            samples, fp16=False, word_timestamps=asked.word_times
        )
    if asked.part != "words":
        pipeline = _pyannote(asked.pyannote)
        works["voices"] = lambda samples: pipeline(
            {"waveform": torch.from_numpy(samples)[None, :], "sample_rate": SAMPLE_RATE_HZ}
        )
    return works


def _openai_whisper(model: str) -> Any:
    """The model as `whisper.load_model` gives it, on the weights of faster-whisper."""
    import torch
    import whisper

    from speech.models import find_model
    from speech.openai_whisper import alignment_heads_of, weights_of_faster_whisper

    folder = find_model(f"faster-whisper-{model}", _models_dir())
    weights = weights_of_faster_whisper(folder)
    peer = whisper.model.Whisper(whisper.model.ModelDimensions(**weights["dims"]))
    peer.load_state_dict({k: torch.as_tensor(v) for k, v in weights["model_state_dict"].items()})
    heads = torch.zeros(peer.dims.n_text_layer, peer.dims.n_text_head, dtype=torch.bool)
    heads[tuple(zip(*(alignment_heads_of(folder) or ()), strict=True))] = True
    peer.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return peer.eval()


def _pyannote(folder: Path | None) -> Any:
    import warnings

    warnings.simplefilter("ignore")
    from pyannote.audio import Pipeline

    if folder is not None:
        return Pipeline.from_pretrained(folder)
    from tests.offline.pyannote_folder import write_pipeline

    with tempfile.TemporaryDirectory() as made:
        write_pipeline(Path(made), _models_dir())
        return Pipeline.from_pretrained(Path(made))


def _models_dir() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("earmark") / "models"


if __name__ == "__main__":
    main()
