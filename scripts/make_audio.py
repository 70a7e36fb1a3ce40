"""Make the synthetic calls that the demo plays and the tests hear. Needs espeak-ng on PATH.

Usage: python scripts/make_audio.py SCRIPT.json FOLDER [PREFIX]

Reads a script of lines (speaker, at_s, text) and writes one Ogg Opus file a speaker, all of the
same length, so that they play side by side as a conversation. `[[400]]` in a text is a pause of
400 ms. The files are kept in the repository: this program shows how they came to be.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ, decode

# Voices that differ enough to be told apart, at the pace of an attentive speaker.
VOICES = {
    "agent": ("en-us+f2", 150, 50),
    "customer": ("en-us", 140, 50),
}
LEVEL = 0.5  # peak of every line
BIT_RATE_BPS = 28_000
_PAUSE = re.compile(r"\[\[(\d+)\]\]")


def say(text: str, speaker: str) -> NDArray[np.float32]:
    """One line as samples, shape (n_samples,)."""
    voice, words_per_minute, pitch = VOICES[speaker]
    pieces: list[NDArray[np.float32]] = []
    for index, part in enumerate(_PAUSE.split(text)):
        if index % 2:
            pieces.append(np.zeros(int(part) * SAMPLE_RATE_HZ // 1000, dtype=np.float32))
            continue
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(
                ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch),
                 "-w", file.name, part.strip()],
                check=True,
            )  # fmt: skip
            pieces.append(decode(Path(file.name)).samples[0])
    samples = np.concatenate(pieces)
    return (samples * (LEVEL / np.abs(samples).max())).astype(np.float32)


def write_opus(path: Path, samples: NDArray[np.float32]) -> None:
    """Write samples, shape (n_channels, n_samples), as Ogg Opus."""
    layout = "mono" if len(samples) == 1 else "stereo"
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout=layout)
        stream.bit_rate = BIT_RATE_BPS * len(samples)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm.T.reshape(1, -1)), format="s16", layout=layout
        )
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Make the files of one script."""
    script = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder, prefix = Path(sys.argv[2]), "".join(sys.argv[3:4])
    n_samples = int(script["duration_s"] * SAMPLE_RATE_HZ)
    tracks = {line["speaker"]: np.zeros(n_samples, np.float32) for line in script["lines"]}
    until_s = 0.0
    for line in script["lines"]:
        samples = say(line["text"], line["speaker"])
        start = int(line["at_s"] * SAMPLE_RATE_HZ)
        if line["at_s"] < until_s or start + len(samples) > n_samples:
            print(
                f"at {line['at_s']} s the line does not fit: the one before ends at {until_s:.1f}"
            )
            raise SystemExit(2)
        until_s = (start + len(samples)) / SAMPLE_RATE_HZ
        tracks[line["speaker"]][start : start + len(samples)] = samples
    for speaker, samples in tracks.items():
        path = folder / f"{prefix}{speaker}.ogg"
        write_opus(path, samples[np.newaxis, :])
        print(f"{path}: {len(samples) / SAMPLE_RATE_HZ:.1f} s, {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
