"""Nothing that is not asked for is written or sent by the libraries that run models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
from pathlib import Path
from speech.models import find_model
from speech.vad import VadModel
VadModel(find_model("silero-vad", Path("nowhere"), allow_hub=False))
"""


def test_speech_detection_keeps_no_usage_data(tmp_path: Path) -> None:
    """The runtime opens neither a session nor a store of usage data, in no folder of the user."""
    places = {name: tmp_path / name for name in ("TMPDIR", "XDG_CACHE_HOME", "HOME")}
    for place in places.values():
        place.mkdir()
    subprocess.run(
        [sys.executable, "-c", CODE],
        check=True,
        cwd=Path(__file__).parents[2],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ORT_")},
            **{name: str(place) for name, place in places.items()},
        },
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
