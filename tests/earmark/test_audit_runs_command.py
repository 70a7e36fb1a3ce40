"""`earmark audit` over many calls, by night and by day, run and interrupted as people do it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from storage.audits import AuditStatus
from storage.database import Database, open_database
from storage.nights import Night, NightOutcome, begin_night, end_night, nights_since
from storage.objects import open_objects
from storage.tables import AUDITS
from tests.earmark.command import ROOT, run_process
from tests.offline.builders import demo_sound, store_call, write_wav

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]

TINY = ("--transcriber", "faster-whisper-tiny.en", "--threads", "1", "--json")
DAY = date(2026, 3, 1)


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{folder / 'earmark.db'}")
    try:
        yield database
    finally:
        database.close()


def store(folder: Path, started_at: datetime, sids: Sequence[str], seconds: int = 12) -> None:
    """Calls of one day, each with one recording."""
    sound = write_wav(folder / "a.wav", demo_sound("agent")[: seconds * 16_000]).read_bytes()
    with opened(folder) as database:
        for sid in sids:
            store_call(
                database, open_objects(str(folder / "objects")), {"agent": sound}, room_sid=sid,
                started_at=started_at, duration_s=seconds,
            )  # fmt: skip


def lines(out: str) -> dict[str, list[dict[str, Any]]]:
    """JSON lines by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in out.splitlines():
        record = json.loads(line)
        found.setdefault(record["type"], []).append(record)
    return found


def ledger(folder: Path) -> dict[str, tuple[AuditStatus, str | None]]:
    with opened(folder) as database, database.begin() as connection:
        return {
            row["room_sid"]: (AuditStatus(row["status"]), row["last_error"])
            for row in connection.execute(AUDITS.select()).mappings()
        }


def note_night(folder: Path, day: date) -> None:
    """That a day was audited as a whole, in the night after it."""
    started_at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, hours=2)
    night = Night(run_id="before", day=day, shard=0, n_shards=1, started_at=started_at)
    with opened(folder) as database, database.begin() as connection:
        begin_night(connection, night)
        end_night(
            connection, night.run_id, day, outcome=NightOutcome.COMPLETE, counts={}, now=started_at
        )


def test_missed_nights_are_noticed_and_caught_up_with(tmp_path: Path) -> None:
    """Yesterday and the days since the last whole night are audited; it is said which."""
    now = datetime.now(UTC)
    days = [now.date() - timedelta(days=n) for n in range(5)]
    settings = {"EARMARK_DATA_DIR": str(tmp_path)}
    store(tmp_path, now - timedelta(days=1), ["RM_yesterday"])
    store(tmp_path, now - timedelta(days=3), ["RM_missed"])
    note_night(tmp_path, days[4])

    looked = run_process("doctor", "--json", cwd=tmp_path, variables=settings)
    edges = {line.get("edge"): line for line in map(json.loads, looked.stdout.splitlines())}
    assert days[3].isoformat() in edges["nightly audit"]["mend"]

    done = run_process("audit", "--nightly", *TINY, cwd=tmp_path, variables=settings)
    assert done.returncode == 0, done.stderr
    assert f"Missed nights, audited now: {days[3]}, {days[2]}." in done.stderr
    found = lines(done.stdout)
    assert [r["room_sid"] for r in found["report"]] == ["RM_missed", "RM_yesterday"]
    assert found["summary"][0]["audited"] == 2

    again = run_process("audit", "--nightly", *TINY, cwd=tmp_path, variables=settings)
    assert (again.returncode, "Missed" in again.stderr) == (0, False)
    assert lines(again.stdout)["summary"][0]["already_done"] == 1
    with opened(tmp_path) as database, database.begin() as connection:
        nights = nights_since(connection, days[4])
    assert [(n.day, n.outcome) for n in nights if n.run_id != "before"] == [
        (day, NightOutcome.COMPLETE) for day in (days[3], days[2], days[1], days[1])
    ]
    looked = run_process("doctor", "--json", cwd=tmp_path, variables=settings)
    edges = {line.get("edge"): line for line in map(json.loads, looked.stdout.splitlines())}
    assert (edges["nightly audit"]["state"], edges["nightly audit"]["mend"]) == ("ok", "")


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a group of its own, as a terminal starts it."""
    variables: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")},
        "EARMARK_DATA_DIR": str(folder),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark", "audit", *arguments],
        cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # Whatever started the tests may have been told to ignore it, as `nohup` is.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def first_report(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait until one call is done, and give the processes that are at the others."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "report":
            return psutil.Process(process.pid).children(recursive=True)
    raise AssertionError("no call was audited")


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [pytest.param(signal.SIGINT, 130, id="ctrl-c"), pytest.param(signal.SIGTERM, 143, id="term")],
)
def test_a_run_that_is_told_to_end_holds_nothing(
    number: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    """No worker is left, nothing stays claimed, no call is poison; the next run does the rest."""
    sids = [f"RM_{n}" for n in range(6)]
    store(tmp_path, datetime(2026, 3, 1, 9, tzinfo=UTC), sids, seconds=16)
    arguments = ("--date", DAY.isoformat(), "--workers", "2", *TINY)
    with started(tmp_path, *arguments) as process:
        children = first_report(process)
        # A terminal tells the whole group; systemd and Kubernetes tell the one process.
        (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in err) == (exit_code, False), err
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    states = ledger(tmp_path)
    assert AuditStatus.DONE in {status for status, _ in states.values()}
    assert {status for status, _ in states.values()} <= {AuditStatus.DONE, AuditStatus.FAILED}
    assert len(states) < len(sids)
    with opened(tmp_path) as database, database.begin() as connection:
        assert [n.outcome for n in nights_since(connection, DAY)] == [NightOutcome.STOPPED]

    settings = {"EARMARK_DATA_DIR": str(tmp_path)}
    rest = run_process("audit", *arguments, cwd=tmp_path, variables=settings)
    (summary,) = lines(rest.stdout)["summary"]
    assert (summary["audited"] + summary["already_done"], summary["failed"]) == (len(sids), 0)
    assert {status for status, _ in ledger(tmp_path).values()} == {AuditStatus.DONE}


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the run leaves no process behind, and gives back what they held."""
    store(tmp_path, datetime(2026, 3, 1, 9, tzinfo=UTC), ["RM_1", "RM_2", "RM_3"], seconds=40)
    arguments = ("--date", DAY.isoformat(), "--workers", "2", *TINY)
    with started(tmp_path, *arguments) as process:
        children = first_report(process)
        assert len(children) >= 2
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    assert {status for status, _ in ledger(tmp_path).values()} <= {
        AuditStatus.DONE,
        AuditStatus.FAILED,
    }
