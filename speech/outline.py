"""The outline of a sound file: how loud it is, step by step, without holding it in memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from speech.errors import AudioError
from speech.ogg import ogg_damage

STEP_S = 0.05
# Longer than any call; a timestamp that says more is wrong, and would only cost memory.
MAX_DURATION_S = 24 * 3600.0
_JITTER_S = 0.02  # as in speech.audio: more than this between two frames is a hole


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """How loud a file is over time, all its channels together.

    Attributes:
        levels: One byte a step: the largest sample of any channel, 255 = full scale.
        step_s: Length of a step; the last one may be shorter.
        duration_s: Of the whole sound.
        damage: What could not be decoded; None for a file that is whole.
    """

    levels: bytes
    step_s: float
    duration_s: float
    damage: str | None = None

    def peaks(self) -> NDArray[np.float32]:
        """The largest sample of each step, shape (n_steps,), in [0.0, 1.0]."""
        return np.frombuffer(self.levels, np.uint8).astype(np.float32) / 255.0


def outline_file(path: Path, *, step_s: float = STEP_S) -> Outline:
    """Read a file once, frame by frame, and keep the loudest sample of each step.

    Memory is needed for a frame and the outline, however long the file is. Where timestamps leave a
    hole there is silence, as `speech.audio.decode` has it.

    Args:
        path: The file.
        step_s: Length of a step, above 0.

    Returns:
        The outline. A damaged file gives what can be decoded of it, and says so.

    Raises:
        AudioError: there is no such file, or nothing in it can be decoded.
    """
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: no audio in it")
            stream = container.streams.audio[0]
            if stream.codec_context is None or not stream.channels:
                raise AudioError(f"{path}: no sound that can be decoded; the file is damaged")
            gathered = _Gathered(step_s)
            damage = _decode(container, stream, gathered)
            if damage is None and container.format.name == "ogg":
                damage = ogg_damage(path)
    except (av.FFmpegError, OSError) as exc:
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise AudioError(f"{path}: cannot be read as audio ({reason})") from None
    if not gathered.n_steps:
        raise AudioError(f"{path}: no sound in it; the recording is empty or damaged")
    return Outline(
        levels=gathered.levels(), step_s=step_s, duration_s=gathered.heard_s, damage=damage
    )


def _decode(
    container: av.container.InputContainer, stream: av.AudioStream, gathered: _Gathered
) -> str | None:
    """Take all packets, past damaged ones; say what went wrong first."""
    damage: str | None = None
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError):
            return damage or f"broken off at {gathered.heard_s:.1f} s"
        if packet is None:
            return damage
        try:
            for frame in packet.decode():
                gathered.add(frame)
                if gathered.heard_s > MAX_DURATION_S:
                    return f"longer than {MAX_DURATION_S / 3600:.0f} h"
        except av.EOFError:
            return damage
        except (av.FFmpegError, ValueError):
            damage = damage or f"damaged at {gathered.heard_s:.1f} s"


class _Gathered:
    """The loudest sample of each step so far."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._peaks = array("f")
        self._origin_s: float | None = None
        self._resampler: av.AudioResampler | None = None
        self.heard_s = 0.0

    @property
    def n_steps(self) -> int:
        """How many steps there are."""
        return len(self._peaks)

    def add(self, frame: av.AudioFrame) -> None:
        """Take a frame to where its timestamp says."""
        if frame.time is not None:
            if self._origin_s is None:
                self._origin_s = frame.time
            hole_s = frame.time - self._origin_s - self.heard_s
            if hole_s > _JITTER_S and self.heard_s + hole_s < MAX_DURATION_S:
                self.heard_s += hole_s
            elif abs(hole_s) > _JITTER_S:
                self._origin_s += hole_s  # a chained stream with a clock of its own
        if self._resampler is None:
            # Only the sample format is changed: the rate stays that of the file.
            self._resampler = av.AudioResampler(format="fltp", rate=frame.sample_rate)
        for each in self._resampler.resample(frame):
            self._take(np.abs(each.to_ndarray()).max(axis=0), each.sample_rate)

    def levels(self) -> bytes:
        """All steps, one byte each."""
        peaks = np.frombuffer(self._peaks, np.float32)
        return np.clip(np.ceil(peaks * 255), 0, 255).astype(np.uint8).tobytes()

    def _take(self, loudness: NDArray[np.float32], sample_rate_hz: int) -> None:
        if not len(loudness):
            return
        step_samples = self._step_s * sample_rate_hz
        at = round(self.heard_s * sample_rate_hz)
        first = int(at // step_samples)
        last = int((at + len(loudness) - 1) // step_samples)
        missing = last + 1 - len(self._peaks)
        if missing > 0:
            self._peaks.frombytes(bytes(4 * missing))
        edges = [0, *(max(0, round(k * step_samples) - at) for k in range(first + 1, last + 1))]
        starts = [edge for edge in edges if edge < len(loudness)]
        for step, peak in enumerate(np.maximum.reduceat(loudness, starts), start=first):
            self._peaks[step] = max(self._peaks[step], float(peak))
        self.heard_s += len(loudness) / sample_rate_hz
