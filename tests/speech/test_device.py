"""A GPU that is there and does not work: this machine's, which only seems to have one."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from speech.device import on_device, torch_place
from speech.errors import DeviceMissingError
from speech.transcribers import load_transcriber, transcriber
from speech.whisper import AUDIT


@pytest.fixture
def a_gpu_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries find a card; what they then do with it is real, and fails."""
    import ctranslate2
    import torch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.model
@pytest.mark.usefixtures("a_gpu_that_fails")
def test_faster_whisper_takes_the_processor_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the GPU lacks shows before the first call; what was asked for is not replaced."""
    tiny = transcriber("faster-whisper-tiny.en")
    with caplog.at_level(logging.WARNING, "speech.device"):
        recogniser = load_transcriber(tiny, AUDIT, models_dir=tmp_path)
    assert recogniser.name == "faster-whisper-tiny.en (int8, beam 5)"
    assert "GPU cannot be used" in caplog.text
    with pytest.raises(DeviceMissingError, match=r"cannot be used \(.+earmark\[cuda\].+take cpu"):
        load_transcriber(tiny, AUDIT, models_dir=tmp_path, device="cuda")


@pytest.mark.usefixtures("a_gpu_that_fails")
def test_torch_takes_the_processor_then(caplog: pytest.LogCaptureFixture) -> None:
    """The same for what torch runs."""
    assert torch_place("auto") == "cpu"
    assert "GPU cannot be used" in caplog.text
    with pytest.raises(DeviceMissingError, match="cannot be used"):
        torch_place("cuda")


def test_a_gpu_that_works_is_taken() -> None:
    """Where the trial succeeds; and the processor needs none."""
    made: list[str] = []
    for asked, n_gpus in (("auto", 1), ("cuda", 2), ("cpu", 1), ("auto", 0)):
        made.append(on_device(asked, n_gpus, lambda place: place))  # type: ignore[arg-type]
    assert made == ["cuda", "cuda", "cpu", "cpu"]
    with pytest.raises(DeviceMissingError, match="there is no GPU"):
        on_device("cuda", 0, lambda place: place)


def test_a_library_inside_a_package_is_loaded(tmp_path: Path) -> None:
    """Once it is loaded, the loader has it for whoever asks for that name."""
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    some_library = next(Path(numpy.__file__).parents[1].glob("numpy.libs/libquadmath*"))
    for name in ("libcublasLt.so.12", "libcublas.so.12"):
        shutil.copy(some_library, folder / name)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pathlib import Path\nfrom speech.device import load_cublas\nload_cublas()\n"
        "print(Path('/proc/self/maps').read_text())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(folder / "libcublas.so.12") in done.stdout
    assert str(folder / "libcublasLt.so.12") in done.stdout
