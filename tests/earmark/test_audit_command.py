"""`earmark audit`, run as people run it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from offline.report import parse_report
from storage.database import open_database
from storage.objects import open_objects
from tests.earmark.command import ROOT, run_process
from tests.offline.builders import demo_sound, store_call, write_wav

AUDIO = ROOT / "earmark" / "demo_audio"
AGENT, CUSTOMER = str(AUDIO / "agent.ogg"), str(AUDIO / "customer.ogg")


def run(
    *arguments: str, data_dir: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the real command with no settings but a data folder and the given ones."""
    settings = {"EARMARK_DATA_DIR": str(data_dir), **(variables or {})}
    return run_process("audit", *arguments, cwd=data_dir, variables=settings)


def lines(done: subprocess.CompletedProcess[str]) -> dict[str, list[dict[str, Any]]]:
    """JSON lines by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record)
    return found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "nothing to audit was given", id="nothing"),
        pytest.param(["a.wav", "--call", "RM_1"], "more than one of these", id="file-and-call"),
        pytest.param(["--date", "yesterday"], "'yesterday' is no day", id="bad-date"),
        pytest.param(["--date", "2026-02-30"], "'2026-02-30' is no day", id="impossible-date"),
        pytest.param(["--since", "soon"], "'soon' is neither a time", id="bad-since"),
        pytest.param(["gone.wav"], "gone.wav: no such file", id="no-such-file"),
        pytest.param(["notes.txt"], "notes.txt: cannot be read as audio", id="not-audio"),
        pytest.param([AGENT, "--speaker", "a", "--speaker", "b"], "given 2 times", id="names"),
        pytest.param(["--call", "x", "--speaker", "a"], "calls know their own", id="call-names"),
        pytest.param(["--call", "x", "--mixed"], "of calls it is known", id="mixed-call"),
        pytest.param([AGENT, "--diarizer", "best"], "diarizer 'best': give default", id="diarizer"),
        pytest.param([AGENT, "--show-text"], "belongs to --json", id="text-without-json"),
        pytest.param([AGENT, "--transcriber", "best"], "is none of", id="unknown-model"),
        pytest.param(["--call", "RM_1"], "no call and no recording with the id", id="no-call"),
        pytest.param(["--date", "2026-03-01"], "no call and no recording of", id="empty-day"),
        pytest.param(["--since", "24h"], "no call and no recording since", id="empty-since"),
        pytest.param(["--date", "2026-03-01", "--until", "1h"], "--until belongs", id="until"),
        pytest.param(["--call", "x", "--shard", "0/2"], "--shard belongs", id="shard-of-one"),
        pytest.param(["--nightly", "--shard", "2/2"], "count from 0", id="shard-too-high"),
        pytest.param(["--nightly", "--shard", "a/b"], "is no shard", id="shard-malformed"),
        pytest.param(["--nightly", "--shard", "2"], "does not say which", id="shard-without-index"),
        pytest.param(["--nightly", "--engine", "ray"], "needs --address", id="ray-nowhere"),
        pytest.param(["--nightly", "--address", "auto"], "belongs to --engine ray", id="address"),
        pytest.param(
            ["--nightly", "--engine", "ray", "--address", "ray://h:1"], "Ray client", id="client"
        ),
        pytest.param(["--nightly", "--date", "2026-03-01"], "more than one", id="night-and-day"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    """Every mistake is told without a traceback, and nothing goes to stdout."""
    (tmp_path / "notes.txt").write_text("not audio")
    done = run(*arguments, data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "objects" / "reports").exists()


def test_a_store_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    """Exit code 3 at once, not after minutes of transcribing."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    done = run(AGENT, data_dir=tmp_path, variables={"EARMARK_OBJECTS_URL": str(blocked)})
    assert done.returncode == 3
    assert f"object store {blocked}: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.model
def test_files_are_audited_and_repeated_for_nothing(tmp_path: Path) -> None:
    """The demo's call: findings, a masked report, and a second run that finds it done."""
    done = run(AGENT, CUSTOMER, "--json", data_dir=tmp_path)
    assert done.returncode == 1, done.stderr
    found = lines(done)
    rules = {record["rule"] for record in found["finding"]}
    assert {"pii.card-number", "conduct.promissory-claim"} <= rules
    assert {record["speaker"] for record in found["segment"]} == {"agent", "customer"}
    assert {"savings", "returns,"} <= {record["text"] for record in found["word"]}
    assert "4539" not in done.stdout.replace(" ", "").replace("-", "")
    (report,) = found["report"]
    assert (report["headline"], report["complete"]) == ("findings", True)
    kept = parse_report(Path(report["json"]).read_bytes())
    assert [f.rule_id for f in kept.findings] == [f["rule"] for f in found["finding"]]
    assert Path(report["html"]).name == "report.html"

    again = run(AGENT, CUSTOMER, data_dir=tmp_path)
    assert again.returncode == 1
    assert "(already audited)" in again.stdout
    assert report["html"] in again.stdout
    assert parse_report(Path(report["json"]).read_bytes()) == kept


@pytest.mark.model
def test_unmasked_text_is_shown_on_request_and_never_kept(tmp_path: Path) -> None:
    """`--show-text` prints the number; the report does not get it."""
    done = run(CUSTOMER, "--json", "--show-text", "--transcriber", "faster-whisper-tiny.en",
               data_dir=tmp_path)  # fmt: skip
    said = [record["text"] for record in lines(done)["segment"]]
    numbers = [text for text in said if sum(char.isdigit() for char in text) >= 8]
    assert numbers
    assert "•" not in "".join(said)
    (report,) = lines(done)["report"]
    kept = Path(report["json"]).read_text(encoding="utf-8")
    assert all(
        record["text"] not in kept for record in lines(done)["segment"] if "6" in record["text"]
    )
    assert "•" in kept


@pytest.mark.model
def test_a_truncated_file_is_audited_as_far_as_it_goes(tmp_path: Path) -> None:
    """What is left of a cut-off file is checked, and the report says that the rest is missing."""
    whole = write_wav(tmp_path / "whole.wav", demo_sound("agent")[: 20 * 16_000])
    data = whole.read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(data[: len(data) * 3 // 5])
    done = run(str(cut), "--json", "--transcriber", "faster-whisper-tiny.en", data_dir=tmp_path)
    assert done.returncode == 1, done.stderr
    found = lines(done)
    assert [f["code"] for f in found["finding"] if f["kind"] == "coverage"] == [
        "recording_truncated"
    ]
    assert found["report"][0]["complete"] is False
    assert found["segment"]


@pytest.mark.model
def test_one_call_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """Of a day's calls each is tried; the failed one is named, and the exit code is 1."""
    sound = write_wav(tmp_path / "a.wav", demo_sound("agent")[: 12 * 16_000]).read_bytes()
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    objects = open_objects(str(tmp_path / "objects"))
    for sid in ("RM_1", "RM_2"):
        store_call(database, objects, {"agent": sound}, room_sid=sid)
    database.close()
    blocked = tmp_path / "objects" / "reports" / "2026-03-01" / "RM_1" / "report.json"
    blocked.mkdir(parents=True)
    arguments = ("--date", "2026-03-01", "--json", "--transcriber", "faster-whisper-tiny.en")
    done = run(*arguments, data_dir=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "RM_1 could not be audited" in done.stderr
    (summary,) = lines(done)["summary"]
    assert (summary["calls"], summary["audited"], summary["failed"]) == (2, 1, 1)
    assert [(r["room_sid"], r["headline"]) for r in lines(done)["report"]] == [("RM_2", "clean")]
    blocked.rmdir()
    mended = lines(run(*arguments, data_dir=tmp_path))["report"]
    assert sorted((r["room_sid"], r["already_audited"]) for r in mended) == [
        ("RM_1", False),
        ("RM_2", True),
    ]
