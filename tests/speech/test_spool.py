"""Sound that is too long for memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speech import audio
from speech.audio import decode
from speech.errors import SpoolError
from speech.spool import Spool, blocks, copied, mono
from tests.offline.builders import DEMO_AUDIO


def noise(n_channels: int, n_samples: int) -> NDArray[np.float32]:
    made = np.random.default_rng(1).uniform(-1.0, 1.0, (n_channels, n_samples))
    return made.astype(np.float32)


@pytest.mark.parametrize("n_channels", [1, 2, 3])
@pytest.mark.parametrize("max_values", [pytest.param(10**9, id="memory"), 0, 2500])
def test_what_goes_in_comes_out(n_channels: int, max_values: int) -> None:
    """In memory or in a file, and wherever it begins to be too much."""
    sound = noise(n_channels, 2000)
    spool = Spool(n_channels, max_values)
    for start in range(0, 2000, 300):
        spool.add(sound[:, start : start + 300].copy())
    found = spool.finish()
    assert spool.n_samples == 2000
    assert isinstance(found, np.memmap) is (max_values < n_channels * 2000)
    np.testing.assert_array_equal(found, sound)
    found[:, :10] = 0.5  # it is theirs


def mapped(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    spool = Spool(len(sound), 0)
    spool.add(sound)
    return spool.finish()


def test_a_mapped_sound_is_the_same_after_it_was_let_go() -> None:
    """Its pages are read again; what was written to it is in the file."""
    sound = noise(2, 5000)
    found = mapped(sound)
    found[1, 4000:] = 0.25
    sound[1, 4000:] = 0.25
    for _ in range(2):
        read = np.concatenate([block.copy() for block in blocks(found, 700)], axis=1)
        np.testing.assert_array_equal(read, sound)
    np.testing.assert_array_equal(np.concatenate(list(blocks(found[1], 700))), sound[1])
    np.testing.assert_array_equal(copied(found), sound)
    np.testing.assert_array_equal(mono(found), sound.mean(axis=0, dtype=np.float32))
    np.testing.assert_array_equal(mono(found[:1]), sound[0])


def test_a_copy_is_another_sound() -> None:
    """Covering a copy leaves the recording as it was."""
    found = mapped(noise(1, 1000))
    copy = copied(found)
    copy[:] = 0.0
    assert np.abs(found).max() > 0.5


def test_a_long_file_is_decoded_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The very same samples."""
    path = DEMO_AUDIO / "agent.ogg"
    plain = decode(path).samples
    assert not isinstance(plain, np.memmap)
    monkeypatch.setattr(audio, "Spool", lambda n_channels: Spool(n_channels, 16_000))
    found = decode(path).samples
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, plain)


def test_its_files_have_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording leaves no copy behind, however the process ends."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = mapped(noise(2, 5000))
    assert list(tmp_path.iterdir()) == []
    del found


def test_no_room_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no damage of the recording; the sentence says what to set."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(SpoolError, match=r"no room for decoded sound .* set TMPDIR") as caught:
        mapped(noise(1, 100))
    assert caught.value.exit_code == 3
