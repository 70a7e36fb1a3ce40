"""Which diarizer a name means, and what is said where there is none."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from offline.diarization.choice import diarizer_named
from offline.errors import DiarizerError, DiarizerNameError
from speech.errors import ModelHashError


def test_none_tells_nothing_apart(tmp_path: Path) -> None:
    """`none` is an answer."""
    assert diarizer_named("none", models_dir=tmp_path) is None


@pytest.mark.parametrize("name", ["", "best", "pyannote", "pyannote:"])
def test_an_unknown_name_is_refused(name: str, tmp_path: Path) -> None:
    """The sentence says what may be given."""
    with pytest.raises(DiarizerNameError, match="give default, none, or pyannote"):
        diarizer_named(name, models_dir=tmp_path)


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    """Another file under the name of the model is not loaded."""
    pytest.importorskip("torchaudio", reason="needs the extra offline")
    folder = tmp_path / "pyannote-segmentation-3.0"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"other weights")
    with pytest.raises(ModelHashError, match="it was not loaded"):
        diarizer_named("default", models_dir=tmp_path)


def test_a_missing_library_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch, what to install is said."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "torch" else find_spec(name)
    )
    with pytest.raises(DiarizerError, match=r"needs torch, .* install the extra `earmark\[off"):
        diarizer_named("default", models_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_pipeline_is_loaded_without_telemetry(tmp_path: Path) -> None:
    """pyannote.audio reports nothing to anybody, and a folder without a pipeline is a sentence."""
    pytest.importorskip("torch", reason="needs the extra offline")
    code = f"""
import warnings
warnings.simplefilter("ignore")
import numpy as np
from pathlib import Path
from offline.diarization.choice import diarizer_named
from offline.diarization.turns import VoiceBounds
from offline.errors import DiarizerError
made = diarizer_named("pyannote:{tmp_path}", models_dir=Path("{tmp_path}"))
try:
    made.diarize(np.zeros(16000, np.float32), VoiceBounds())
except DiarizerError as exc:
    print(exc)
from pyannote.audio.telemetry.metrics import is_metrics_enabled
print("telemetry", is_metrics_enabled())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=800
    )
    sentence, telemetry = done.stdout.strip().splitlines()
    assert "no pipeline of pyannote.audio can be loaded from it" in sentence
    assert telemetry == "telemetry False"
