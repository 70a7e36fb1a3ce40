"""Worker processes for what people write: each task has a time; a process that overruns it ends.

Rules are code in all but name. They are loaded, linted and run in a process apart, so that the
console answers everybody else meanwhile, and so that one bad pattern costs one process and no more.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import ParamSpec, TypeVar

from console.errors import ConsoleError
from rules.errors import RulesError

P = ParamSpec("P")
T = TypeVar("T")
_START_S = 60.0  # to start a process on a busy machine, its imports included
_MAX_WAITING = 8


class WorkerBusyError(ConsoleError):
    """Too many people check rules at once."""

    status = 503


class WorkerTimeoutError(ConsoleError):
    """The task took longer than it may."""

    status = 400


class WorkerFailedError(ConsoleError):
    """The task ended in a way that nobody foresaw."""


class RuleWorker:
    """One process, which does one task at a time."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def call(self, timeout_s: float, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function of a module there, and wait for what it gives.

        Args:
            timeout_s: After so long, the process is ended.
            task: Importable; its arguments and its result are pickled.
            *args: Its arguments.
            **kwargs: Its arguments.

        Raises:
            RulesError: what the task raised on purpose.
            WorkerTimeoutError: it took too long.
            WorkerFailedError: it failed, or the process died.
        """
        pipe = self._pipe if self._pipe is not None else self._start()
        try:
            pipe.send((task, args, kwargs))
            if not pipe.poll(timeout_s):
                self.end()
                raise WorkerTimeoutError(
                    f"This took longer than {timeout_s:.0f} seconds, and was ended. "
                    "Make the rules simpler, or look at fewer calls."
                )
            is_fine, result = pipe.recv()
        except (EOFError, OSError):
            self.end()
            raise WorkerFailedError("The check ended before it was through. Try again.") from None
        if is_fine:
            return result  # type: ignore[no-any-return]
        if isinstance(result, RulesError):
            raise result
        raise WorkerFailedError("The check failed; it was noted.")

    def end(self) -> None:
        """End the process; the next call starts another one."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), name="rule-worker", daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        if not ours.poll(_START_S) or ours.recv() != "ready":
            self.end()
            raise WorkerFailedError("The process that checks rules does not start.")
        return ours


class RuleWorkers:
    """Some processes, lent one at a time; those who wait are few, and wait not for long."""

    def __init__(self, n_workers: int) -> None:
        self._free: queue.LifoQueue[RuleWorker] = queue.LifoQueue()
        self._all = [RuleWorker() for _ in range(n_workers)]
        for worker in self._all:
            self._free.put(worker)
        self._waiting = threading.BoundedSemaphore(_MAX_WAITING)

    @contextmanager
    def lend(self, wait_s: float = 10.0) -> Iterator[RuleWorker]:
        """A process for as long as the block lasts.

        Raises:
            WorkerBusyError: all are taken.
        """
        if not self._waiting.acquire(blocking=False):
            raise WorkerBusyError("Others are checking rules just now. Try again in a moment.")
        try:
            worker = self._free.get(timeout=wait_s)
        except queue.Empty:
            raise WorkerBusyError(
                "Others are checking rules just now. Try again in a moment."
            ) from None
        finally:
            self._waiting.release()
        try:
            yield worker
        finally:
            self._free.put(worker)

    def end(self) -> None:
        """End all processes."""
        for worker in self._all:
            worker.end()


@cache
def quick_workers() -> RuleWorkers:
    """For lint as people type."""
    return RuleWorkers(1)


@cache
def long_workers() -> RuleWorkers:
    """For cases and backtests, which take their time."""
    return RuleWorkers(1)


def _serve(pipe: Connection) -> None:
    import console.rule_tasks  # noqa: F401 - before the first task's time runs

    pipe.send("ready")
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            task, args, kwargs = pipe.recv()
            try:
                answer = (True, task(*args, **kwargs))
            except Exception as exc:
                # Of other errors only the class: their text may hold anything.
                answer = (False, exc if isinstance(exc, RulesError) else type(exc).__name__)
            pipe.send(answer)
