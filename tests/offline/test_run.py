"""Runs over many calls in a pool of processes: nothing twice, nothing lost, poison left alone."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from earmark.audit_plan import AuditPlan
from offline.audit import Outcome
from offline.errors import RunError
from offline.executors import CallError
from offline.executors.pool import PoolExecutor
from offline.find import Finder
from offline.run import Run, Summary
from storage.audits import AuditStatus
from storage.database import Database, open_database
from storage.findings import CoverageCode, findings_of
from storage.objects import ObjectStore, open_objects
from storage.tables import AUDITS
from tests.offline.builders import CARD, DAY, STARTED_AT, store_call
from tests.offline.workplaces import FAIL, KILL, STUCK, ScriptedSource, plan_of, quiet_sound

ROOT = Path(__file__).parents[2]


class Told:
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.not_audited: dict[str, str] = {}
        self.n_moves = 0

    def moved(self, n_done: int, under_way: Mapping[str, float]) -> None:
        assert all(0 <= ratio <= 1 for ratio in under_way.values())
        self.n_moves += 1

    def audited(self, outcome: Outcome) -> None:
        self.outcomes[outcome.report.call.room_sid] = outcome

    def failed(self, room_sid: str, error: CallError) -> None:
        self.not_audited[room_sid] = f"failed: {error.code} {error.message}"

    def poisoned(self, room_sid: str, code: str, *, is_new: bool) -> None:
        self.not_audited[room_sid] = f"{'new' if is_new else 'old'} poison: {code}"

    def busy(self, room_sid: str) -> None:
        self.not_audited[room_sid] = "busy"


class Place:
    """An embedded database and store, and runs over their calls of one day."""

    def __init__(self, database: Database, objects: ObjectStore, folder: Path) -> None:
        self.database = database
        self.objects = objects
        self._folder = folder

    def store(self, sounds: Mapping[str, bytes]) -> None:
        for n, (sid, data) in enumerate(sounds.items()):
            store_call(
                self.database, self.objects, {"agent": data}, room_sid=sid,
                started_at=STARTED_AT + timedelta(minutes=n),
            )  # fmt: skip

    def plan(self, script: ScriptedSource, **changes: Any) -> AuditPlan:
        return plan_of(
            f"sqlite:///{self._folder / 'earmark.db'}", str(self._folder / "objects"), script,
            **changes,
        )  # fmt: skip

    def run(
        self, script: ScriptedSource, n_workers: int = 2, **changes: Any
    ) -> tuple[Summary, Told]:
        plan, told = self.plan(script, **changes), Told()
        executor = PoolExecutor(plan, n_workers=n_workers, run_id="run")
        run = Run(executor, self.database, told)
        try:
            return run.over(Finder(self.database, self.objects).refs_by_day(DAY).refs), told
        finally:
            run.stop()
            assert multiprocessing.active_children() == []

    def ledger(self) -> dict[str, tuple[AuditStatus, int, str | None]]:
        with self.database.begin() as connection:
            rows = connection.execute(AUDITS.select().order_by(AUDITS.c.room_sid)).mappings().all()
        return {
            row["room_sid"]: (AuditStatus(row["status"]), row["attempts"], row["last_error"])
            for row in rows
        }

    def reports(self) -> dict[str, Any]:
        return {
            info.key: {**json.loads(self.objects.get_bytes(info.key)), "made_at": None}
            for info in self.objects.list("reports/")
            if info.key.endswith(".json")
        }


@pytest.fixture
def place(database: Database, objects: ObjectStore, tmp_path: Path) -> Place:
    return Place(database, objects, tmp_path)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return quiet_sound(tmp_path_factory.mktemp("quiet") / "quiet.wav")


def test_a_pool_does_what_one_would_do_and_nothing_twice(
    place: Place, sound: bytes, quiet: bytes
) -> None:
    """Two workers share the calls; again, nothing is left to do; the reports stay as they were."""
    place.store({"RM_1": sound, "RM_2": quiet, "RM_3": sound, "RM_4": b"no sound"})
    script = ScriptedSource(quiet=f"My card number is {CARD}")
    first, told = place.run(script)
    assert first.counts() | {"elapsed_s": 0} == {
        "calls": 4, "audited": 4, "already_done": 0, "failed": 0, "poisoned": 0,
        "with_another_run": 0, "incomplete": 1, "lacking_models": 0, "with_findings": 1,
        "findings": {"info": 0, "low": 0, "medium": 0, "high": 1, "critical": 0},
        "elapsed_s": 0,
    }  # fmt: skip
    assert sorted(told.outcomes) == ["RM_1", "RM_2", "RM_3", "RM_4"]
    assert told.n_moves >= 4
    assert all(outcome.utterances == () for outcome in told.outcomes.values())
    made = place.reports()
    again, _ = place.run(script)
    assert (again.n_audited, again.n_already_done, again.findings) == (0, 4, first.findings)
    assert place.reports() == made
    assert {each[:2] for each in place.ledger().values()} == {(AuditStatus.DONE, 1)}


def test_a_call_that_kills_its_worker_is_poison(place: Place, sound: bytes, quiet: bytes) -> None:
    """Only that call is lost; later runs leave it alone until somebody asks for it."""
    place.store({"RM_1": sound, "RM_2": quiet, "RM_3": sound, "RM_4": sound})
    first, told = place.run(ScriptedSource(quiet=KILL))
    assert (first.n_audited, first.n_poisoned, first.is_whole) == (3, 1, True)
    assert told.not_audited == {"RM_2": "new poison: worker_killed"}
    assert place.ledger()["RM_2"] == (AuditStatus.POISONED, 1, "worker_killed")
    with place.database.begin() as connection:
        (key,) = connection.execute(AUDITS.select().where(AUDITS.c.room_sid == "RM_2")).scalars()
        found = findings_of(connection, key)
    assert [(f.code, f.detail) for f in found] == [(CoverageCode.NOT_AUDITED, "worker_killed")]

    again, told = place.run(ScriptedSource())
    assert (again.n_already_done, again.n_poisoned, again.is_clean) == (3, 1, False)
    assert told.not_audited == {"RM_2": "old poison: worker_killed"}

    cured, told = place.run(ScriptedSource(), retries_poisoned=True)
    assert (cured.n_audited, cured.n_already_done, told.not_audited) == (1, 3, {})
    assert place.ledger()["RM_2"] == (AuditStatus.DONE, 2, None)
    with place.database.begin() as connection:
        assert all(f.code is not CoverageCode.NOT_AUDITED for f in findings_of(connection, key))


def test_a_call_that_fails_again_and_again_is_poison(
    place: Place, sound: bytes, quiet: bytes
) -> None:
    """A defect stops no other call, is told without what its error says, and is tried twice."""
    place.store({"RM_1": quiet, "RM_2": sound})
    script = ScriptedSource(quiet=FAIL)
    for attempt, status in ((1, AuditStatus.FAILED), (2, AuditStatus.POISONED)):
        summary, told = place.run(script, n_workers=1, max_faults=2)
        assert (summary.n_failed, summary.is_whole) == (1, False)
        assert told.not_audited == {"RM_1": "failed: ZeroDivisionError None"}
        assert place.ledger()["RM_1"] == (status, attempt, "ZeroDivisionError")
    summary, told = place.run(script, max_faults=2)
    assert (summary.n_failed, summary.n_poisoned) == (0, 1)
    assert told.not_audited == {"RM_1": "old poison: ZeroDivisionError"}
    assert place.ledger()["RM_1"][1] == 2


def test_the_claim_of_a_dead_run_is_taken_over(place: Place, sound: bytes) -> None:
    """What another run has is left for last; when its lease is out, it is done here."""
    place.store({"RM_1": sound, "RM_2": sound})
    script = ScriptedSource()
    place.run(script)
    with place.database.begin() as connection:
        running = {"status": "running", "lease_until": STARTED_AT, "owner": "dead/1"}
        connection.execute(AUDITS.update().where(AUDITS.c.room_sid == "RM_1").values(running))
    summary, _ = place.run(script)
    assert (summary.n_audited, summary.n_already_done) == (1, 1)
    assert place.ledger()["RM_1"] == (AuditStatus.DONE, 2, None)


def test_rules_that_differ_end_the_run(place: Place, sound: bytes) -> None:
    """A worker whose rules are others than those of the run begins with no call."""
    place.store({"RM_1": sound})
    from dataclasses import replace

    plan = plan_of(f"sqlite:///{place._folder / 'earmark.db'}", str(place._folder / "objects"),
                   ScriptedSource())  # fmt: skip
    executor = PoolExecutor(replace(plan, rulebook_fingerprint="other"), n_workers=1, run_id="run")
    run = Run(executor, place.database, Told())
    refs = Finder(place.database, place.objects).refs_by_day(DAY).refs
    with pytest.raises(RunError, match="rules where a worker runs are others") as caught:
        run.over(refs)
    run.stop()
    assert caught.value.exit_code == 2
    assert place.ledger() == {}


def run_in_pool(plan: AuditPlan) -> None:
    """A run of its own process, to be killed."""
    database = open_database(plan.database_url)
    executor = PoolExecutor(plan, n_workers=1, run_id="run")
    refs = Finder(database, open_objects(plan.objects_url)).refs_by_day(DAY).refs
    Run(executor, database, Told()).over(refs)


def test_a_worker_that_cannot_stop_gives_its_call_back(
    place: Place, quiet: bytes, tmp_path: Path
) -> None:
    """A run is killed while a model is in native code: its worker is cut off, and holds nothing."""
    place.store({"RM_1": quiet})
    sign = tmp_path / "stuck"
    run = multiprocessing.get_context("spawn").Process(
        target=run_in_pool, args=(place.plan(ScriptedSource(quiet=STUCK, sign=sign)),)
    )
    run.start()
    try:
        while not sign.exists():
            assert run.is_alive()
            time.sleep(0.05)
        workers = psutil.Process(run.pid).children(recursive=True)
    finally:
        run.kill()
        run.join()
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert place.ledger() == {"RM_1": (AuditStatus.FAILED, 1, "stopped")}
