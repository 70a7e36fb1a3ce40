"""Decodes any usual audio file into samples at the one rate that speech models take."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from speech.errors import AudioError

SAMPLE_RATE_HZ = 16_000

# A container that promises this much more than could be decoded was cut off.
_MISSING_TAIL_S = 0.5
_MAX_OGG_PAGE_BYTES = 65_307  # RFC 3533, section 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """Decoded sound.

    Attributes:
        samples: float32, shape (n_channels, n_samples), range [-1.0, 1.0].
        sample_rate_hz: Always `SAMPLE_RATE_HZ`.
        damage: Where and why decoding stopped early, None for a file that is whole.
    """

    samples: NDArray[np.float32] = field(repr=False)
    sample_rate_hz: int = SAMPLE_RATE_HZ
    damage: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1]) / self.sample_rate_hz


def decode(path: Path) -> Audio:
    """Decode a file whole, its channels kept apart.

    Reads whatever FFmpeg reads: Ogg Opus, MP3, MP4, WAV, FLAC. Of several audio streams the first
    one counts.

    Args:
        path: The file.

    Returns:
        The sound. A file that is damaged part of the way gives what came before, and says so.

    Raises:
        AudioError: there is no such file, or nothing in it can be decoded.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file; give the path of an audio file")
    pieces: list[NDArray[np.float32]] = []
    damage: str | None = None
    promised_s: float | None = None
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: no audio in it; give an audio file")
            stream = container.streams.audio[0]
            format_name = container.format.name
            promised_s = _promised_duration_s(container, stream)
            layout = "mono" if stream.channels == 1 else stream.layout.name
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE_HZ)
            try:
                for frame in container.decode(stream):
                    pieces.extend(_samples(piece) for piece in resampler.resample(frame))
            except (av.FFmpegError, OSError) as exc:
                damage = f"broken off at {_seconds(pieces):.1f} s ({_reason(exc)})"
            if pieces:
                pieces.extend(_samples(piece) for piece in resampler.resample(None))
    except (av.FFmpegError, OSError) as exc:
        raise AudioError(f"{path}: cannot be read as audio ({_reason(exc)})") from None
    if not pieces or _seconds(pieces) == 0:
        raise AudioError(f"{path}: no sound in it; the recording is empty or damaged")
    decoded_s = _seconds(pieces)
    if damage is None and promised_s is not None and promised_s - decoded_s > _MISSING_TAIL_S:
        damage = f"cut off: {decoded_s:.1f} s of {promised_s:.1f} s are there"
    if damage is None and (why := _cut_off(path, format_name)):
        damage = f"{why}: what follows {decoded_s:.1f} s is lost"
    samples = np.clip(np.concatenate(pieces, axis=1), -1.0, 1.0).astype(np.float32, copy=False)
    return Audio(samples=samples, damage=damage)


def _samples(frame: av.AudioFrame) -> NDArray[np.float32]:
    """Samples of a planar float frame, shape (n_channels, n_samples)."""
    return frame.to_ndarray().astype(np.float32, copy=False)


def _seconds(pieces: list[NDArray[np.float32]]) -> float:
    return float(sum(piece.shape[1] for piece in pieces)) / SAMPLE_RATE_HZ


def _promised_duration_s(
    container: av.container.InputContainer, stream: av.AudioStream
) -> float | None:
    """What the file says of its own length. An Ogg file says nothing once its tail is gone."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return container.duration / 1_000_000
    return None


def _cut_off(path: Path, format_name: str) -> str | None:
    """Why a file that decodes without an error is not whole all the same.

    FFmpeg takes the end of the file for the end of the sound in formats that could tell better.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        if format_name == "wav":
            # RIFF: the length of everything behind the first eight bytes; streams write no length.
            promised_bytes = int.from_bytes(file.read(8)[4:], "little")
            if promised_bytes not in {0, 0xFFFFFFFF} and size_bytes < promised_bytes + 8:
                return "cut off"
        elif format_name == "ogg":
            # RFC 3533, section 6: the last page of a stream carries the flag 4 in its sixth byte.
            file.seek(max(0, size_bytes - _MAX_OGG_PAGE_BYTES))
            tail = file.read()
            last_page = tail.rfind(b"OggS")
            if last_page < 0 or not tail[last_page + 5] & 4:
                return "no end mark"
    return None


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or type(exc).__name__
