"""How much memory an audit of long recordings takes, against holding their sound.

Usage: python tests/benchmarks/bench_long_recordings.py [--minutes 180] [--tracks 2]

A call of some tracks of Ogg Opus, hours long, is audited in a process of its own: fetching,
decoding, alignment, outline, speech detection, windows, rules, report and redacted copies are real,
the recogniser says the same each time. The peer decodes the same tracks with PyAV and keeps the
samples, as whatever works on whole arrays does. Printed are both peaks, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MOST_MIB = 1536.0

_PEER = """
import sys
import av, numpy as np
from tests.offline.long_call import resident_mib
held = []
for path in sys.argv[1:]:
    with av.open(path) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16_000)
        frames = [f.to_ndarray() for frame in container.decode(audio=0)
                  for f in resampler.resample(frame)]
    held.append(np.concatenate(frames, axis=1))
print(resident_mib("VmHWM"))
"""


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=180)
    parser.add_argument("--tracks", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = ("-m", "tests.offline.long_call", folder, str(asked.minutes), str(asked.tracks))
        ours: dict[str, Any] = json.loads(_printed(*work))
        track = str(Path(folder) / "track.ogg")
        theirs = float(_printed("-c", _PEER, *[track] * asked.tracks))
    print(f"{asked.tracks} tracks of {asked.minutes} minutes, {ours['elapsed_s']:.0f} s of work")
    print(f"the audit          {ours['peak_mib']:>8.0f} MiB ({ours['n_utterances']} utterances)")
    print(f"holding the sound  {theirs:>8.0f} MiB")
    print(f"{theirs / ours['peak_mib']:.1f} times less (at most {MOST_MIB:.0f} MiB wanted)")
    sys.exit(0 if ours["peak_mib"] <= MOST_MIB else 1)


def _printed(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
