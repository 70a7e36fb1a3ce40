"""Decodes any usual audio file into samples at the one rate that speech models take."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from speech.errors import AudioError
from speech.ogg import ogg_damage
from speech.spool import BLOCK_SAMPLES, Spool

SAMPLE_RATE_HZ = 16_000

# A container that promises this much more than could be decoded was cut off.
_MISSING_TAIL_S = 0.5
# Timestamps are rounded, to a millisecond in WebM. What is more than this is a hole.
_JITTER_S = 0.02
# More silence than this is not a muted microphone but a wrong timestamp.
_MOST_SILENCE_S = 4 * 3600.0
_HOLES_SHOWN = 3
# Frames are gathered into pieces of about a minute: memory of that size goes back when it is freed.
_LOOSE_AT_MOST = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """Decoded sound.

    Attributes:
        samples: float32, shape (n_channels, n_samples), range [-1.0, 1.0]. Of long sound, mapped
            from a file without a name: go through it by `speech.spool.blocks`.
        sample_rate_hz: Always `SAMPLE_RATE_HZ`.
        damage: What could not be decoded, where and why; None for a file that is whole.
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
    one counts. Position 0 is the first sample. Where the file's timestamps leave a hole (a muted
    microphone, a lost page), there is silence, so that what follows stays where it was.

    Args:
        path: The file.

    Returns:
        The sound. A file that is damaged gives what can be decoded of it, and says so.

    Raises:
        AudioError: there is no such file, or nothing in it can be decoded.
        SpoolError: there is no room for so much sound.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file; give the path of an audio file")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: no audio in it; give an audio file")
            stream = container.streams.audio[0]
            if stream.codec_context is None or not stream.channels:
                raise AudioError(f"{path}: no sound that can be decoded; the file is damaged")
            promised_s = _promised_duration_s(container, stream)
            reel = _Reel("mono" if stream.channels == 1 else stream.layout.name)
            damage = _decode_stream(container, stream, reel)
            format_name = container.format.name
            why = _cut_off(path, format_name)
    except (av.FFmpegError, OSError) as exc:
        raise AudioError(f"{path}: cannot be read as audio ({_reason(exc)})") from None
    samples = reel.finish()
    if samples is None:
        raise AudioError(f"{path}: no sound in it; the recording is empty or damaged")
    decoded_s = samples.shape[1] / SAMPLE_RATE_HZ
    if damage is None and promised_s is not None and promised_s - decoded_s > _MISSING_TAIL_S:
        damage = f"cut off: {decoded_s:.1f} s of {promised_s:.1f} s are there"
    if damage is None and why is not None:
        damage = f"{why}: {reel.holes() or f'what follows {decoded_s:.1f} s is lost'}"
    if damage is None and format_name != "ogg":
        # An Ogg file whose pages are all there has holes where nothing was sent, as by a muted
        # microphone. No other format proves that nothing was lost.
        damage = reel.holes() or None
    return Audio(samples=samples, damage=damage)


class _Reel:
    """Puts decoded frames where their timestamps say.

    Args:
        layout: Channels of the stream.
    """

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._n_channels = av.AudioLayout(layout).nb_channels
        self._resampler = self._new_resampler()
        self._spool = Spool(self._n_channels)
        self._loose: list[NDArray[np.float32]] = []  # behind the spool, a frame each
        self._n_samples = 0  # in both
        self._origin_s: float | None = None  # timestamp of position 0
        self._heard_s = 0.0  # position behind the last frame
        self._silence_s = 0.0  # in all holes
        self._holes: list[tuple[float, float]] = []

    @property
    def heard_s(self) -> float:
        """Position behind the last frame."""
        return self._heard_s

    def add(self, frame: av.AudioFrame) -> None:
        """Append a frame.

        Raises:
            ValueError: the stream changes its format.
            av.FFmpegError: the frame cannot be converted.
        """
        if frame.time is not None:
            if self._origin_s is None:
                self._origin_s = frame.time
            hole_s = frame.time - self._origin_s - self._heard_s
            if _JITTER_S < hole_s <= _MOST_SILENCE_S - self._silence_s:
                self._skip(hole_s)
            elif abs(hole_s) > _JITTER_S:
                # A chained stream, which has a clock of its own, or a timestamp nobody can believe.
                self._origin_s += hole_s
        self._take(self._resampler.resample(frame))
        self._heard_s += frame.samples / frame.sample_rate

    def holes(self) -> str:
        """Where nothing can be heard, as a few words; empty where there is no hole."""
        shown = [f"{a:.1f}-{b:.1f} s" for a, b in self._holes[:_HOLES_SHOWN]]
        more = " and more" if len(self._holes) > _HOLES_SHOWN else ""
        return f"nothing can be heard at {', '.join(shown)}{more}" if shown else ""

    def finish(self) -> NDArray[np.float32] | None:
        """All samples, shape (n_channels, n_samples), range [-1.0, 1.0]; None without any."""
        if self._heard_s:
            self._take(self._resampler.resample(None))
        if not self._n_samples:
            return None
        self._gather()
        return self._spool.finish()

    def _skip(self, hole_s: float) -> None:
        if self._heard_s:
            self._take(self._resampler.resample(None))
            self._resampler = self._new_resampler()  # one that was emptied takes nothing more
        self._gather()
        self._holes.append((self._heard_s, self._heard_s + hole_s))
        self._silence_s += hole_s
        self._heard_s += hole_s
        missing = round(self._heard_s * SAMPLE_RATE_HZ) - self._n_samples
        self._n_samples += max(0, missing)
        while missing > 0:  # a timestamp can leave out hours
            length = min(missing, BLOCK_SAMPLES)
            self._spool.add(np.zeros((self._n_channels, length), dtype=np.float32))
            missing -= length

    def _take(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            samples = frame.to_ndarray().astype(np.float32, copy=False)
            self._loose.append(samples)
            self._n_samples += samples.shape[1]
            if len(self._loose) >= _LOOSE_AT_MOST:
                self._gather()

    def _gather(self) -> None:
        if self._loose:
            piece = np.concatenate(self._loose, axis=1)
            self._spool.add(np.clip(piece, -1.0, 1.0, out=piece))
            self._loose.clear()

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="fltp", layout=self._layout, rate=SAMPLE_RATE_HZ)


def _decode_stream(
    container: av.container.InputContainer, stream: av.AudioStream, reel: _Reel
) -> str | None:
    """Decode all packets, past damaged ones; say what went wrong first, None if nothing did."""
    damage: str | None = None
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as exc:
            return damage or f"broken off at {reel.heard_s:.1f} s ({_reason(exc)})"
        if packet is None:
            return damage
        try:
            for frame in packet.decode():
                reel.add(frame)
        except av.EOFError:
            return damage
        except (av.FFmpegError, ValueError) as exc:
            damage = damage or f"damaged at {reel.heard_s:.1f} s ({_reason(exc)})"


def _promised_duration_s(
    container: av.container.InputContainer, stream: av.AudioStream
) -> float | None:
    """What the file says of its own length. An Ogg file says nothing once its tail is gone."""
    duration_s: float | None = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / 1_000_000
    if duration_s is not None and container.format.name in {"ogg", "matroska,webm"}:
        # These count from timestamp 0, wherever the first sample lies.
        duration_s -= max(0, container.start_time or 0) / 1_000_000
    return duration_s


def _cut_off(path: Path, format_name: str) -> str | None:
    """Why a file that decodes without an error is not whole all the same.

    FFmpeg takes the end of the file for the end of the sound in formats that could tell better.
    """
    if format_name == "ogg":
        return ogg_damage(path)
    if format_name == "wav":
        # RIFF: the length of everything behind the first eight bytes; streams write no length.
        with path.open("rb") as file:
            promised_bytes = int.from_bytes(file.read(8)[4:], "little")
        if promised_bytes not in {0, 0xFFFFFFFF} and path.stat().st_size < promised_bytes + 8:
            return "cut off"
    return None


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or type(exc).__name__
