"""Worker processes of this machine that live as long as the run and hold the models.

Each has a pipe of its own and shares no lock with another, so one that is killed takes nothing with
it but the call that it was at.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from offline.errors import RunError
from offline.executors.task import (
    CallError,
    Event,
    Lost,
    Moved,
    Opening,
    Task,
    Workplace,
    audit_task,
    call_error,
)
from storage.errors import StorageError

log = logging.getLogger(__name__)

KILLED = "worker_killed"
ENDED = "worker_ended"
# A worker that is told to end gets so long; a model in the middle of a piece of speech needs it.
_STOP_TIMEOUT_S = 10.0
_JOIN_TIMEOUT_S = 5.0


class WorkerStopped(SystemExit):
    """This worker was told to end. What it holds is given back on the way out.

    No `Exception`, so that nobody takes it for a failure of the call.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unopened:
    """A worker could not begin."""

    error: CallError


@dataclass(slots=True, kw_only=True)
class _Worker:
    owner: str
    process: SpawnProcess
    connection: Connection
    task: Task | None = None


class PoolExecutor:
    """An executor of processes. Workers are started when there is work for them.

    Args:
        opening: How a worker gets what it needs.
        n_workers: How many there are at most.
        run_id: Names this run's workers in the ledger.
        keeps_words: Whether what was really said comes back with reports.
    """

    def __init__(
        self, opening: Opening, *, n_workers: int, run_id: str, keeps_words: bool = False
    ) -> None:
        self._opening = opening
        self._n_workers = n_workers
        self._run_id = run_id
        self._keeps_words = keeps_words
        # Not fork: threads of the models' libraries do not survive it.
        self._context = multiprocessing.get_context("spawn")
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
        while True:
            idle = next((each for each in self._workers if each.task is None), None)
            worker = idle or self._start()
            try:
                worker.connection.send(task)
            except OSError:  # it died while it had nothing to do, which is no call's fault
                self._bury(worker)
                if idle is None:
                    raise RunError("a worker process ended before it could begin", 3) from None
                continue
            worker.task = task
            return

    def next_event(self) -> Event:
        """See `Executor`."""
        while not self._events:
            by_connection = {each.connection: each for each in self._workers}
            for ready in wait(list(by_connection)):
                assert isinstance(ready, Connection)  # noqa: S101 - narrows for the type checker
                self._hear(by_connection[ready])
        return self._events.popleft()

    def close(self) -> tuple[str, ...]:
        """See `Executor`."""
        busy = tuple(each.owner for each in self._workers if each.task is not None)
        for worker in self._workers:
            if worker.task is None:
                worker.connection.close()  # the worker reads the end, and goes
            else:
                worker.process.terminate()
        deadline_s = time.monotonic() + _STOP_TIMEOUT_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline_s - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
            self._bury(worker, is_listed=False)
        self._workers.clear()
        return busy

    def _start(self) -> _Worker:
        self._n_started += 1
        ours, theirs = self._context.Pipe()
        owner = f"{self._run_id}/{self._n_started}"
        process = self._context.Process(
            target=_work,
            args=(self._opening, owner, theirs, self._keeps_words),
            name=f"audit-worker-{self._n_started}",
        )
        process.start()
        theirs.close()  # so that the pipe ends with the worker
        worker = _Worker(owner=owner, process=process, connection=ours)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            exit_code = self._bury(worker)
            if worker.task is not None:
                code = KILLED if exit_code is not None and exit_code < 0 else ENDED
                log.warning("a worker process died", extra={"reason": code, "status": exit_code})
                self._events.append(Lost(task=worker.task, owner=worker.owner, code=code))
            return
        if isinstance(message, _Unopened):
            error = message.error
            raise RunError(
                error.message or f"a worker process cannot begin ({error.code})",
                error.exit_code or 3,
            )
        if not isinstance(message, Moved):
            worker.task = None
        self._events.append(message)

    def _bury(self, worker: _Worker, *, is_listed: bool = True) -> int | None:
        """Let go of a worker that has ended, or is about to."""
        if is_listed:
            self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(_JOIN_TIMEOUT_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        return worker.process.exitcode


def _work(opening: Opening, owner: str, connection: Connection, keeps_words: bool) -> None:
    """The life of a worker process."""
    # Ctrl-C reaches the whole group; the parent decides what becomes of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    open_places: list[Workplace] = []
    _end_with_parent(open_places)
    try:
        with opening.open(owner) as place:
            open_places.append(place)
            try:
                _audit_all(place, connection, keeps_words=keeps_words)
            except WorkerStopped:
                # Told to end between claiming a call and beginning it.
                with suppress(StorageError):
                    place.claims.give_back()
                raise
            finally:
                open_places.clear()
    except Exception as exc:
        # The text of a defect may hold anything, so its name alone goes on.
        log.exception("a worker process cannot begin", extra={"error": type(exc).__name__})
        with suppress(OSError):
            connection.send(_Unopened(error=call_error(exc)))


def _audit_all(place: Workplace, connection: Connection, *, keeps_words: bool) -> None:
    """Audit what comes, until the run has no more or ends."""

    def tell(moved: Moved) -> None:
        _send(connection, moved)

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        _send(connection, audit_task(place, task, tell, keeps_words=keeps_words))


def _send(connection: Connection, event: object) -> None:
    try:
        connection.send(event)
    except OSError:
        raise WorkerStopped from None  # the run has ended


def _stop(number: int, frame: FrameType | None) -> None:
    raise WorkerStopped


def _end_with_parent(open_places: Sequence[Workplace]) -> None:
    """End when the parent does, even where it was killed and could tell nobody.

    A model that is at a piece of speech cannot be told to end. It is cut off after a while, and the
    call that it was at is given back for it.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def give_back() -> None:
        for place in tuple(open_places):
            with suppress(Exception):  # the lease runs out by itself
                place.claims.give_back()

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOP_TIMEOUT_S)
        # A database that does not answer must not keep this process alive.
        last = threading.Thread(target=give_back, daemon=True)
        last.start()
        last.join(_STOP_TIMEOUT_S)
        os._exit(1)

    threading.Thread(target=watch, name="audit-parent", daemon=True).start()
