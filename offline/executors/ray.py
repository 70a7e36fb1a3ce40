"""Workers of a Ray cluster: actors that hold the models, on as many machines as it has.

Only Ray's core is used. Nothing is uploaded: Earmark is installed where the workers run, in the
same version, with the same rules; accounts of the object store come from their environment.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from offline.errors import RunError
from offline.executors.task import (
    Audited,
    Busy,
    CallError,
    Event,
    Failed,
    Lost,
    Moved,
    Opening,
    Poisoned,
    Task,
    Workplace,
    audit_task,
    call_error,
)

log = logging.getLogger(__name__)

KILLED = "worker_killed"
OUT_OF_MEMORY = "out_of_memory"
MACHINE_LOST = "machine_lost"
# A cluster that gives no worker for so long has none for us.
_BEGIN_TIMEOUT_S = 180.0
_MAX_TOLD = 8

# Read by Ray when it is imported: no usage reports, and no upload of the folder by `uv run`.
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Began:
    """A worker is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unopened:
    """A worker could not begin."""

    error: CallError


@dataclass(slots=True, kw_only=True)
class _Worker:
    owner: str
    actor: Any
    has_begun: bool = False
    task: Task | None = None
    answers: Any = None  # of the task


class RayExecutor:
    """An executor of actors. They are made when there is work for them.

    Args:
        opening: How a worker gets what it needs.
        address: HOST:PORT of a cluster, "auto" on one of its machines, "local" to start one.
        n_workers: How many there are at most; None = as many as the cluster has processors for.
        n_threads: Processors that each takes.
        run_id: Names this run's workers in the ledger.
        keeps_words: Whether what was really said comes back with reports.

    Raises:
        RunError: Ray is not installed, or there is no cluster.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        address: str,
        n_workers: int | None,
        n_threads: int,
        run_id: str,
        keeps_words: bool = False,
    ) -> None:
        self._ray = _connected(address)
        n_cpus = int(self._ray.cluster_resources().get("CPU", 0))
        self._n_workers = n_workers or max(1, n_cpus // n_threads)
        if n_cpus < n_threads:
            self._ray.shutdown()
            raise RunError(
                f"no worker with {n_threads} processors fits into this Ray cluster, which has "
                f"{n_cpus}; give fewer --threads",
                3,
            )
        self._actors = self._ray.remote(_Actor).options(
            num_cpus=n_threads, max_restarts=0, max_task_retries=0
        )
        self._opening = opening
        self._run_id = run_id
        self._keeps_words = keeps_words
        self._workers: list[_Worker] = []
        self._n_started = 0
        self._events: deque[Event] = deque()

    @property
    def n_free(self) -> int:
        """See `Executor`."""
        return self._n_workers - sum(worker.task is not None for worker in self._workers)

    @property
    def n_at_work(self) -> int:
        """See `Executor`."""
        return sum(worker.task is not None for worker in self._workers) + len(self._events)

    def submit(self, task: Task) -> None:
        """See `Executor`."""
        worker = next((each for each in self._workers if each.task is None), None)
        worker = worker or self._start()
        worker.task = task
        worker.answers = worker.actor.audit.options(num_returns="streaming").remote(task)

    def next_event(self) -> Event:
        """See `Executor`."""
        while not self._events:
            by_answers = {each.answers: each for each in self._workers if each.task is not None}
            nobody_began = not any(each.has_begun for each in self._workers)
            timeout_s = _BEGIN_TIMEOUT_S if nobody_began else None
            ready, _ = self._ray.wait(list(by_answers), num_returns=1, timeout=timeout_s)
            if not ready:
                raise RunError(
                    f"the Ray cluster gave no worker within {_BEGIN_TIMEOUT_S:.0f} s; are its "
                    "processors taken?",
                    3,
                )
            self._hear(by_answers[ready[0]])
        return self._events.popleft()

    def close(self) -> tuple[str, ...]:
        """See `Executor`."""
        busy = tuple(each.owner for each in self._workers if each.task is not None)
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers.clear()
        self._ray.shutdown()
        return busy

    def _start(self) -> _Worker:
        self._n_started += 1
        owner = f"{self._run_id}/{self._n_started}"
        actor = self._actors.remote(self._opening, owner, self._keeps_words)
        worker = _Worker(owner=owner, actor=actor)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> None:
        try:
            message = self._ray.get(next(worker.answers))
        except StopIteration:
            message = None
        except self._ray.exceptions.RayError as exc:
            self._lose(worker, exc)
            return
        match message:
            case _Unopened(error=error):
                raise RunError(
                    error.message or f"a worker cannot begin ({error.code})",
                    error.exit_code or 3,
                )
            case _Began():
                worker.has_begun = True
            case Moved():
                self._events.append(message)
            case Audited() | Busy() | Poisoned() | Failed():
                worker.task = worker.answers = None
                self._events.append(message)

    def _lose(self, worker: _Worker, exc: Exception) -> None:
        exceptions = self._ray.exceptions
        code = KILLED
        if isinstance(exc, exceptions.OutOfMemoryError) or "memory" in str(exc):
            code = OUT_OF_MEMORY
        elif isinstance(exc, exceptions.NodeDiedError) or "node has died" in str(exc):
            code = MACHINE_LOST
        log.warning("a worker died", extra={"reason": code, "error": type(exc).__name__})
        self._workers.remove(worker)
        self._ray.kill(worker.actor)
        if worker.task is not None:
            is_fault = code is not MACHINE_LOST
            self._events.append(
                Lost(task=worker.task, owner=worker.owner, code=code, is_fault=is_fault)
            )


def _connected(address: str) -> Any:
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise RunError(
            "Ray is not installed; install the extra `earmark[scale]` here and on its machines", 3
        ) from None
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            **({"include_dashboard": False} if address == "local" else {}),
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as exc:
        raise RunError(
            f"--address {address}: no Ray cluster can be used there ({type(exc).__name__})", 3
        ) from None
    return ray


class _Actor:
    """A worker: opens its place with the first call, and keeps it until it ends."""

    def __init__(self, opening: Opening, owner: str, keeps_words: bool) -> None:
        self._opening = opening
        self._owner = owner
        self._keeps_words = keeps_words
        self._stack = ExitStack()
        self._place: Workplace | None = None

    def audit(self, task: Task) -> Iterator[object]:
        """Audit one call; what became of it comes last."""
        yield _Began()
        if self._place is None:
            try:
                self._place = self._stack.enter_context(self._opening.open(self._owner))
            except Exception as exc:
                yield _Unopened(error=call_error(exc))
                return
        place = self._place
        yield from _telling(
            lambda tell: audit_task(place, task, tell, keeps_words=self._keeps_words)
        )


def _telling(work: Callable[[Callable[[Moved], None]], object]) -> Iterator[object]:
    """What a function tells while it works, and then what it returns.

    Raises:
        BaseException: what the function raised.
    """
    told: queue.Queue[object] = queue.Queue(_MAX_TOLD)
    ended: list[object] = []
    raised: list[BaseException] = []
    end = object()

    def tell(moved: Moved) -> None:
        with suppress(queue.Full):  # the next one says more
            told.put_nowait(moved)

    def run() -> None:
        try:
            ended.append(work(tell))
        except BaseException as exc:
            raised.append(exc)
        told.put(end)

    thread = threading.Thread(target=run, name="audit-call", daemon=True)
    thread.start()
    while (each := told.get()) is not end:
        yield each
    thread.join()
    if raised:
        raise raised[0]
    yield ended[0]
