"""Make the audio fixtures of the tests again. Needs espeak-ng on PATH.

Usage: python scripts/make_fixture_audio.py

Reads the scripts tests/fixtures/*.json and writes tests/fixtures/audio. Voices, encoder and random
numbers are fixed, but another version of espeak-ng or libopus makes other bytes; the files are
kept in the repository, and tests hear those.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from make_audio import write_opus

from speech.audio import SAMPLE_RATE_HZ, decode

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "fixtures"
LENGTH_S = 5
NOISE_LEVEL = 0.05  # RMS, about -26 dB: a loud fan
N_PAGES_KEPT_WHOLE = 10


def main() -> None:
    """Make all of them."""
    audio = FIXTURES / "audio"
    for script in sorted(FIXTURES.glob("*.json")):
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("make_audio.py")), str(script),
             str(audio), f"{script.stem}-"],
            check=True,
        )  # fmt: skip
    sides = [decode(audio / f"clean-{who}.ogg").samples[0] for who in ("agent", "customer")]
    write_opus(audio / "clean-stereo.ogg", np.stack(sides))
    n_samples = LENGTH_S * SAMPLE_RATE_HZ
    write_opus(audio / "silence.ogg", np.zeros((1, n_samples), np.float32))
    noise = np.random.default_rng(7).normal(0, NOISE_LEVEL, (1, n_samples)).astype(np.float32)
    write_opus(audio / "noise.ogg", noise)

    whole = (audio / "clean-customer.ogg").read_bytes()
    (audio / "truncated.ogg").write_bytes(whole[: len(whole) // 2])
    # One byte in the body of a page: its checksum fails, and decoders leave the page out.
    page = -1
    for _ in range(N_PAGES_KEPT_WHOLE + 1):
        page = whole.index(b"OggS", page + 1)
    corrupt = bytearray(whole)
    corrupt[page + 200] ^= 0xFF
    (audio / "corrupt.ogg").write_bytes(corrupt)


if __name__ == "__main__":
    main()
