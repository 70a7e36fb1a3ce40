"""Time in the networks' own units: what one frame of theirs is in samples."""

from __future__ import annotations

from speech.audio import SAMPLE_RATE_HZ

WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ
# A frame of the network's output: stride 10 of the filters times 3 * 3 * 3 of the pooling.
FRAME_SAMPLES = 10 * 27
# Middle of what the first frame sees: (251 - 1) / 2 of the filters, and half of what each later
# layer adds: 10 * (1 + 3 * 2 + 3 * 1 + 9 * 2 + 9 * 1) = 370.
FIRST_FRAME_SAMPLES = 125 + 370
# Rows of features for the embedding, one every 10 ms.
ROWS_PER_S = 100
ROW_SAMPLES = SAMPLE_RATE_HZ // ROWS_PER_S
# Fewer rows than this say nothing about a voice.
MIN_ROWS = 20


def frame_s(frame: int, begin_sample: int = 0) -> float:
    """Where a frame begins: half a frame before the middle of what it sees."""
    start = begin_sample + frame * FRAME_SAMPLES + FIRST_FRAME_SAMPLES - FRAME_SAMPLES // 2
    return start / SAMPLE_RATE_HZ
