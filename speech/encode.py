"""Writes samples as a file that every player and browser plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ
from speech.errors import AudioError
from speech.spool import blocks, mono

CONTENT_TYPE = "audio/ogg"
# Speech at 16 kHz is transparent from about here, for each channel; RFC 6716, section 2.1.1.
_BIT_RATE_BPS = 28_000
_BLOCK_SAMPLES = SAMPLE_RATE_HZ  # a second at a time
_LAYOUTS = {1: "mono", 2: "stereo"}


def write_ogg(path: Path, samples: NDArray[np.float32]) -> None:
    """Write samples as Ogg Opus.

    Args:
        path: The file to make; one that is there is replaced.
        samples: Shape (n_channels, n_samples), at 16 kHz, range [-1.0, 1.0]. Not modified. More
            than two channels are mixed down to one, since a layout would have to be guessed.

    Raises:
        AudioError: the file cannot be written.
    """
    if len(samples) not in _LAYOUTS:
        samples = mono(samples)[np.newaxis, :]
    n_channels, n_samples = samples.shape
    try:
        with av.open(str(path), "w", format="ogg") as container:
            stream: Any = container.add_stream("libopus", rate=SAMPLE_RATE_HZ)
            stream.bit_rate = _BIT_RATE_BPS * n_channels
            stream.layout = _LAYOUTS[n_channels]
            for start, sound in zip(
                range(0, n_samples, _BLOCK_SAMPLES), blocks(samples, _BLOCK_SAMPLES), strict=True
            ):
                block = np.clip(sound, -1.0, 1.0)
                # Interleaved, as the encoder takes them.
                pcm = (block * 32767).astype(np.int16).T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(pcm), format="s16", layout=_LAYOUTS[n_channels]
                )
                frame.sample_rate = SAMPLE_RATE_HZ
                frame.pts = start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (OSError, av.FFmpegError) as exc:
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise AudioError(f"{path}: cannot be written ({reason})") from None
