"""Processes for what people write: each task has its time, and nothing outlives it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from console import rule_tasks
from console.rule_worker import (
    RuleWorker,
    RuleWorkers,
    WorkerBusyError,
    WorkerFailedError,
    WorkerTimeoutError,
)
from rules.errors import RuleLoadError
from tests.storage.rulebooks import BOOK

LONG_S = 60.0


@pytest.fixture(scope="module")
def worker() -> Iterator[RuleWorker]:
    """A process; what ends it, another call starts anew."""
    found = RuleWorker()
    yield found
    found.end()


def test_a_task_runs_in_another_process(worker: RuleWorker) -> None:
    """Its result comes back."""
    assert worker.call(LONG_S, os.getpid) != os.getpid()
    assert worker.call(LONG_S, rule_tasks.lint, dict(BOOK), "talk.yaml") == ()


def test_what_overruns_its_time_is_ended(worker: RuleWorker) -> None:
    """The process with it; the next task gets another one."""
    before = worker.call(LONG_S, os.getpid)
    with pytest.raises(WorkerTimeoutError, match="took longer than 0 seconds"):
        worker.call(0.2, time.sleep, 600)
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert worker.call(LONG_S, os.getpid) != before


def test_a_process_that_dies_is_told(worker: RuleWorker) -> None:
    """As one that ran out of memory would; the next task gets another one."""
    with pytest.raises(WorkerFailedError, match="ended before it was through"):
        worker.call(LONG_S, os._exit, 9)
    assert worker.call(LONG_S, os.getpid) > 0


def test_errors_raised_on_purpose_come_back(worker: RuleWorker) -> None:
    """With their places; of others, nothing that they hold does."""
    with pytest.raises(RuleLoadError, match=r"a\.yaml:1:"):
        worker.call(LONG_S, rule_tasks.begin_backtest, dict(BOOK), {"a.yaml": b"[1"}, None)
    with pytest.raises(WorkerFailedError) as caught:
        worker.call(LONG_S, int, "4111 1111")
    assert "4111" not in str(caught.value)


def test_those_who_wait_too_long_are_told(worker: RuleWorker) -> None:
    """One process is lent once at a time."""
    workers = RuleWorkers(1)
    with workers.lend(), pytest.raises(WorkerBusyError), workers.lend(wait_s=0.05):
        pass
    with workers.lend(wait_s=0.05):
        pass


def test_only_so_many_wait() -> None:
    """The console's own threads must not all wait for rules: four of twelve are refused at once."""
    workers = RuleWorkers(1)
    refused = threading.Semaphore(0)

    def ask() -> None:
        try:
            with workers.lend(wait_s=60):
                pass
        except WorkerBusyError:
            refused.release()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    with workers.lend():
        for thread in threads:
            thread.start()
        for _ in range(4):
            assert refused.acquire(timeout=30)
    for thread in threads:
        thread.join(timeout=30)
    assert not refused.acquire(blocking=False)
