"""Silence where an erased person speaks in a recording that holds others, too."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from offline.stages.scratch import scratch_folder
from speech.audio import SAMPLE_RATE_HZ, decode
from speech.errors import AudioError
from speech.spool import copied, mono

# Speech is found to about a tenth of a second; breath before and after it is theirs, too.
PAD_S = 0.5
_BIT_RATE_BPS = 28_000  # for each channel; RFC 6716, section 2.1.1
_CODECS: Mapping[str, str] = MappingProxyType(
    {
        ".ogg": "libopus",
        ".opus": "libopus",
        ".mp4": "aac",
        ".m4a": "aac",
        ".mp3": "libmp3lame",
        ".wav": "pcm_s16le",
        ".flac": "flac",
    }
)
_LAYOUTS = {1: "mono", 2: "stereo"}
_BLOCK_SAMPLES = SAMPLE_RATE_HZ


def silenced(data: bytes, key: str, spans: Sequence[tuple[float, float]]) -> bytes:
    """A sound file with silence in all channels over some spans.

    Args:
        data: The file.
        key: Its object key, whose ending names the format.
        spans: (start_s, end_s) by the clock of the file.

    Raises:
        AudioError: the file cannot be read, or its format not be written.
    """
    suffix = posixpath.splitext(key)[1].lower()
    if suffix not in _CODECS:
        raise AudioError(f"{key}: {suffix or 'no ending'} cannot be written; delete or keep it")
    with scratch_folder() as folder:
        source, target = folder / f"in{suffix}", folder / f"out{suffix}"
        source.write_bytes(data)
        samples = copied(decode(source).samples)
        for start_s, end_s in spans:
            first = max(0, int((start_s - PAD_S) * SAMPLE_RATE_HZ))
            samples[:, first : int((end_s + PAD_S) * SAMPLE_RATE_HZ) + 1] = 0.0
        _write(target, samples, _CODECS[suffix])
        return target.read_bytes()


def _write(path: Path, samples: NDArray[np.float32], codec: str) -> None:
    if len(samples) not in _LAYOUTS:  # a layout would have to be guessed
        samples = mono(samples)[np.newaxis, :]
    layout = _LAYOUTS[len(samples)]
    try:
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=SAMPLE_RATE_HZ)
            stream.layout = layout
            if codec not in {"pcm_s16le", "flac"}:
                stream.bit_rate = _BIT_RATE_BPS * len(samples)
            for start in range(0, samples.shape[1], _BLOCK_SAMPLES):
                block = np.clip(samples[:, start : start + _BLOCK_SAMPLES], -1.0, 1.0)
                pcm = np.ascontiguousarray((block * 32767).astype(np.int16).T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout=layout)
                frame.sample_rate = SAMPLE_RATE_HZ
                frame.pts = start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (OSError, av.FFmpegError) as exc:
        raise AudioError(f"a silenced copy cannot be written ({type(exc).__name__})") from None
