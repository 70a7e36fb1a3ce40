"""Keys of stages: the same for the same, another one for anything else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from offline.stages.stage import stage_key

INPUTS = {"recording": "ab" * 32, "call": "cd" * 32}
SETTINGS: dict[str, object] = {"model": "base", "options": {"beam": 5, "temperature": 0.1 + 0.2}}
KEY = stage_key("transcribe", 1, INPUTS, SETTINGS)


def test_order_does_not_matter() -> None:
    """The same content in another order is the same."""
    assert stage_key("transcribe", 1, dict(reversed(INPUTS.items())), SETTINGS) == KEY
    assert (
        stage_key(
            "transcribe", 1, INPUTS, {"options": SETTINGS["options"], "model": SETTINGS["model"]}
        )
        == KEY
    )


@pytest.mark.parametrize(
    ("name", "version", "inputs", "settings"),
    [
        pytest.param("diarize", 1, INPUTS, SETTINGS, id="stage"),
        pytest.param("transcribe", 2, INPUTS, SETTINGS, id="code"),
        pytest.param("transcribe", 1, INPUTS | {"recording": "ac" * 32}, SETTINGS, id="input"),
        pytest.param("transcribe", 1, {"recording": "ab" * 32}, SETTINGS, id="fewer-inputs"),
        pytest.param("transcribe", 1, INPUTS, SETTINGS | {"model": "tiny"}, id="model"),
        pytest.param(
            "transcribe", 1, INPUTS, SETTINGS | {"options": {"beam": 1}}, id="option-within"
        ),
        # An input must not be taken for a setting of the same name.
        pytest.param("transcribe", 1, {}, SETTINGS | INPUTS, id="input-as-setting"),
    ],
)
def test_anything_else_has_another_key(
    name: str, version: int, inputs: dict[str, str], settings: dict[str, object]
) -> None:
    """Stage, code, input and every setting decide the key."""
    assert stage_key(name, version, inputs, settings) != KEY


def test_another_process_has_the_same_key() -> None:
    """Nothing of a process, such as its random hash seed, goes in."""
    code = (
        "from offline.stages.stage import stage_key\n"
        f"print(stage_key('transcribe', 1, {INPUTS!r}, {SETTINGS!r}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert told.stdout.strip() == KEY
