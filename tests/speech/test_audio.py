"""Any usual file becomes samples at 16 kHz, channels apart, and damage is never silent."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE_HZ, decode
from speech.errors import AudioError

CLEAN = Path(__file__).parents[1] / "fixtures" / "audio" / "clean-agent.ogg"


def clicks(duration_s: float, at_s: float, rate_hz: int) -> NDArray[np.float32]:
    """Silence with one burst of 1 kHz, 20 ms long, that begins at a known moment."""
    samples = np.zeros(int(duration_s * rate_hz), np.float32)
    n = np.arange(rate_hz // 50)
    start = int(at_s * rate_hz)
    samples[start : start + len(n)] = 0.8 * np.sin(2 * np.pi * 1000 * n / rate_hz)
    return samples


def write(path: Path, channels: list[NDArray[np.float32]], codec: str, rate_hz: int) -> Path:
    """Encode samples into a file of any kind."""
    layout = "mono" if len(channels) == 1 else "stereo"
    pcm = (np.stack(channels, axis=1).reshape(1, -1) * 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout=layout)
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(
            format=stream.format, layout=layout, rate=rate_hz, frame_size=stream.frame_size
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def onset_s(samples: NDArray[np.float32]) -> float:
    """When the burst begins."""
    return float(np.argmax(np.abs(samples) > 0.2)) / SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        pytest.param("a.ogg", "libopus", 48_000, id="ogg-opus"),
        pytest.param("a.wav", "pcm_s16le", 44_100, id="wav"),
        pytest.param("a.flac", "flac", 22_050, id="flac"),
        pytest.param("a.mp3", "libmp3lame", 44_100, id="mp3"),
        pytest.param("a.mp4", "aac", 48_000, id="mp4-aac"),
        pytest.param("telephone.wav", "pcm_mulaw", 8_000, id="telephone"),
    ],
)
def test_formats(name: str, codec: str, rate_hz: int, tmp_path: Path) -> None:
    """Positions survive encoding and resampling to within a few milliseconds."""
    path = write(tmp_path / name, [clicks(2.0, 1.25, rate_hz)], codec, rate_hz)
    audio = decode(path)
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[0] == 1
    assert np.abs(audio.samples).max() <= 1.0
    assert audio.damage is None
    assert audio.duration_s == pytest.approx(2.0, abs=0.08)
    # An MP3 frame of 26 ms may stay in front where the file carries no encoder delay.
    assert onset_s(audio.samples[0]) == pytest.approx(1.25, abs=0.03)


def test_channels_are_kept_apart(tmp_path: Path) -> None:
    """Agent left and customer right stay two voices."""
    left, right = clicks(2, 0.5, 48_000), clicks(2, 1.5, 48_000)
    audio = decode(write(tmp_path / "a.wav", [left, right], "pcm_s16le", 48_000))
    assert audio.samples.shape[0] == 2
    assert onset_s(audio.samples[0]) == pytest.approx(0.5, abs=0.005)
    assert onset_s(audio.samples[1]) == pytest.approx(1.5, abs=0.005)


def _empty_ogg(tmp_path: Path) -> Path:
    path = tmp_path / "empty.ogg"
    path.touch()
    return path


def _text(tmp_path: Path) -> Path:
    path = tmp_path / "notes.ogg"
    path.write_text("this is no audio at all\n" * 100)
    return path


def _picture(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _header_only(tmp_path: Path) -> Path:
    path = tmp_path / "header.ogg"
    path.write_bytes(CLEAN.read_bytes()[:120])
    return path


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_empty_ogg, id="empty"),
        pytest.param(_text, id="text"),
        pytest.param(_picture, id="no-audio-stream"),
        pytest.param(_header_only, id="header-only"),
        pytest.param(lambda tmp_path: tmp_path / "gone.ogg", id="missing"),
        pytest.param(lambda tmp_path: tmp_path, id="folder"),
    ],
)
def test_what_is_no_audio(make, tmp_path: Path) -> None:
    """A file without decodable sound is refused by name."""
    path = make(tmp_path)
    with pytest.raises(AudioError) as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        pytest.param("whole.wav", "pcm_s16le", id="wav"),
        pytest.param("whole.ogg", "libopus", id="ogg"),
        pytest.param("whole.flac", "flac", id="flac"),
    ],
)
def test_a_truncated_file_says_so(name: str, codec: str, tmp_path: Path) -> None:
    """What is there of a file that was cut off is decoded, and the missing rest is told."""
    noise = np.random.default_rng(5).normal(0, 0.1, 4 * 16_000).astype(np.float32)
    whole = write(tmp_path / name, [noise], codec, 16_000)
    assert decode(whole).damage is None
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    audio = decode(cut)
    assert 0.5 < audio.duration_s < 3.5
    assert audio.damage is not None


def test_a_damaged_middle_says_so(tmp_path: Path) -> None:
    """Ogg pages that were overwritten leave a hole that is told, not papered over."""
    data = bytearray(CLEAN.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 12_000] = bytes(12_000)
    damaged = tmp_path / "damaged.ogg"
    damaged.write_bytes(data)
    assert decode(damaged).damage is not None
