"""Any usual file becomes samples at 16 kHz, channels apart, and damage is never silent."""

import re
from collections.abc import Callable
from itertools import pairwise
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
        frame.pts = 0  # encoders write their delay into the file only where there is a clock
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
    assert audio.duration_s == pytest.approx(2.0, abs=0.03)
    assert onset_s(audio.samples[0]) == pytest.approx(1.25, abs=0.003)


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


def pages(data: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    starts = [m.start() for m in re.finditer(b"OggS", data)]
    return [data[a:b] for a, b in pairwise([*starts, len(data)])]


def noisy_clicks(tmp_path: Path) -> Path:
    """An Ogg file of 11 s with bursts at 2.5 s and 7.25 s, and noise, so that pages have weight."""
    noise = np.random.default_rng(1).normal(0, 0.02, 11 * 48_000).astype(np.float32)
    samples = noise + clicks(11, 2.5, 48_000) + clicks(11, 7.25, 48_000)
    return write(tmp_path / "clicks.ogg", [samples], "libopus", 48_000)


def _lose_page(data: bytes) -> bytes:
    whole = pages(data)
    return b"".join(whole[:6] + whole[7:])


def _flip_bit(data: bytes) -> bytes:
    whole = pages(data)
    return b"".join(
        [*whole[:6], whole[6][:60] + bytes([whole[6][60] ^ 1]) + whole[6][61:], *whole[7:]]
    )


def _overwrite(data: bytes) -> bytes:
    whole = pages(data)
    return b"".join([*whole[:6], bytes(len(whole[6])), *whole[7:]])


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(_lose_page, id="lost-page"),
        pytest.param(_flip_bit, id="one-bit"),
        pytest.param(_overwrite, id="overwritten"),
    ],
)
def test_what_follows_a_damaged_page_stays_in_its_place(
    harm: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """A lost second is silence and is told; words behind it keep their times."""
    path = noisy_clicks(tmp_path)
    assert decode(path).damage is None
    path.write_bytes(harm(path.read_bytes()))
    audio = decode(path)
    assert audio.damage is not None
    assert "nothing can be heard at 4.0-5.0 s" in audio.damage
    assert audio.duration_s == pytest.approx(11.0, abs=0.03)
    assert onset_s(audio.samples[0]) == pytest.approx(2.5, abs=0.003)
    assert onset_s(audio.samples[0][6 * SAMPLE_RATE_HZ :]) == pytest.approx(1.25, abs=0.003)


@pytest.mark.parametrize(
    ("from_s", "late_s", "expected_s"),
    [
        pytest.param(0.0, 90.0, (2.5, 7.25), id="starts-late"),
        pytest.param(5.0, 2.0, (2.5, 9.25), id="muted-for-two-seconds"),
    ],
)
def test_timestamps_place_the_sound(
    from_s: float, late_s: float, expected_s: tuple[float, float], tmp_path: Path
) -> None:
    """Position 0 is the first sample, and a pause in sending is silence and no damage."""
    path = tmp_path / "late.ogg"
    with av.open(str(noisy_clicks(tmp_path))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is None:
                continue
            if packet.pts * packet.time_base >= from_s:
                packet.pts += int(late_s / packet.time_base)
                packet.dts = packet.pts
            packet.stream = stream
            target.mux(packet)
    audio = decode(path)
    assert audio.damage is None
    assert onset_s(audio.samples[0]) == pytest.approx(expected_s[0], abs=0.01)
    assert onset_s(audio.samples[0][6 * SAMPLE_RATE_HZ :]) + 6 == pytest.approx(
        expected_s[1], abs=0.01
    )


def test_a_hole_in_stereo(tmp_path: Path) -> None:
    """Both channels keep their places behind a hole."""
    noise = np.random.default_rng(2).normal(0, 0.02, 9 * 48_000).astype(np.float32)
    left, right = noise + clicks(9, 7.5, 48_000), noise + clicks(9, 8.25, 48_000)
    path = write(tmp_path / "stereo.ogg", [left, right], "libopus", 48_000)
    path.write_bytes(_lose_page(path.read_bytes()))
    audio = decode(path)
    assert audio.damage is not None
    assert audio.samples.shape == (2, 9 * SAMPLE_RATE_HZ)
    assert onset_s(audio.samples[0]) == pytest.approx(7.5, abs=0.003)
    assert onset_s(audio.samples[1]) == pytest.approx(8.25, abs=0.003)


def test_a_very_short_file(tmp_path: Path) -> None:
    """A file shorter than the resampler's memory is not lost in it."""
    audio = decode(write(tmp_path / "a.wav", [clicks(0.02, 0, 48_000)], "pcm_s16le", 48_000))
    assert audio.samples.shape == (1, 320)


def test_tags_in_another_encoding(tmp_path: Path) -> None:
    """Tags that are no UTF-8 do not keep the sound from being heard."""
    path = write(tmp_path / "a.flac", [clicks(2, 1.25, 16_000)], "flac", 16_000)
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"L\xe9vf", 1))
    assert onset_s(decode(path).samples[0]) == pytest.approx(1.25, abs=0.003)


def test_chained_streams_follow_each_other(tmp_path: Path) -> None:
    """Two Ogg streams in one file are one sound, though the second one's clock begins anew."""
    data = noisy_clicks(tmp_path).read_bytes()
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(data + data)
    audio = decode(chained)
    assert audio.damage is None
    assert audio.duration_s == pytest.approx(22.0, abs=0.05)
    assert onset_s(audio.samples[0][12 * SAMPLE_RATE_HZ :]) == pytest.approx(1.5, abs=0.01)


def test_a_damaged_mp3_is_heard_behind_the_damage(tmp_path: Path) -> None:
    """Frames that cannot be decoded cost what they held and no more, and are told."""
    path = write(tmp_path / "a.mp3", [clicks(8, 6.0, 44_100)], "libmp3lame", 44_100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    audio = decode(path)
    assert audio.damage is not None
    assert audio.duration_s > 7
    assert np.abs(audio.samples[0][5 * SAMPLE_RATE_HZ :]).max() > 0.5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("corrupt.ogg", "damaged: nothing can be heard at", id="corrupt"),
        pytest.param("truncated.ogg", "cut off: what follows", id="truncated"),
    ],
)
def test_damaged_fixtures(name: str, said: str) -> None:
    """The damaged recordings that other rooms test with are decoded as far as they go."""
    audio = decode(CLEAN.with_name(name))
    assert audio.damage is not None
    assert audio.damage.startswith(said)


def test_the_stereo_fixture() -> None:
    """Agent left, customer right, and they take turns."""
    audio = decode(CLEAN.with_name("clean-stereo.ogg"))
    assert audio.damage is None
    agent, customer = np.abs(audio.samples)
    at = slice(1 * SAMPLE_RATE_HZ, 7 * SAMPLE_RATE_HZ)  # tests/fixtures/clean.json: Anna speaks
    assert agent[at].max() > 0.2 > 0.05 > customer[at].max()
    at = slice(int(8.6 * SAMPLE_RATE_HZ), 13 * SAMPLE_RATE_HZ)
    assert customer[at].max() > 0.2 > 0.05 > agent[at].max()
