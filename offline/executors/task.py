"""What goes to a worker, what comes back, and the work itself, alike for every executor."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from offline.audit import Auditor, Outcome, Progress
from offline.claims import Claims
from offline.errors import AuditBusyError, AuditPoisonedError
from offline.find import CallRef, Finder
from speech.errors import SpeechError, SpoolError

log = logging.getLogger(__name__)

# How far a call is, is told this often and not more.
_TELL_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One call to audit."""

    ref: CallRef
    # Whether to wait where another run has it. The first time round there is other work to do.
    is_patient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """Why something failed. Holds no text of an error that was not raised on purpose."""

    code: str  # the name of the error's class
    message: str | None  # one sentence for a person; None for a defect
    exit_code: int | None  # None for a defect


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A call is under way."""

    task: Task
    done_ratio: float  # in [0.0, 1.0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A call has its report, made now or found."""

    task: Task
    outcome: Outcome = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another run has the call."""

    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisoned:
    """The call is poison and was left alone."""

    task: Task
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The call failed; its worker goes on."""

    task: Task
    error: CallError
    is_fatal: bool = False  # every other call would fail like it


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The worker died at the call. A new one takes its place."""

    task: Task
    owner: str  # the dead worker, as the ledger knows it
    code: str
    is_fault: bool = True  # of the call; not where its whole machine went


Event = Moved | Audited | Busy | Poisoned | Failed | Lost


class Executor(Protocol):
    """Workers that hold the models, and the calls that are with them."""

    @property
    def n_free(self) -> int:
        """How many more calls it takes now."""

    @property
    def n_at_work(self) -> int:
        """How many calls are with workers."""

    def submit(self, task: Task) -> None:
        """Give a call to a worker. Only where `n_free` is above 0."""

    def next_event(self) -> Event:
        """Wait for something to happen. Only where `n_at_work` is above 0.

        Raises:
            RunError: a worker cannot begin.
        """

    def close(self) -> tuple[str, ...]:
        """End all workers, at work or not.

        Returns:
            Those that were at work, as the ledger knows them: what they held can be given back.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What a worker holds for as long as it lives."""

    finder: Finder
    auditor: Auditor
    claims: Claims  # the auditor's


class Opening(Protocol):
    """How a worker gets what it needs. Picklable: it travels to the worker."""

    def open(self, owner: str) -> AbstractContextManager[Workplace]:
        """Open database, object store and models for one worker, until the block ends.

        Args:
            owner: Under which name it claims.
        """


def audit_task(
    place: Workplace, task: Task, tell: Callable[[Moved], None], *, keeps_words: bool
) -> Audited | Busy | Poisoned | Failed:
    """Audit one call, whatever comes of it.

    Args:
        place: Of this worker.
        task: The call.
        tell: Told now and then how far it is.
        keeps_words: Whether what was really said goes back with the report.
    """
    last_s = 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= _TELL_EVERY_S:
            last_s = now_s
            tell(Moved(task=task, done_ratio=progress.done_ratio))

    patience_s = place.claims.patience_s
    place.claims.patience_s = patience_s if task.is_patient else 0.0
    try:
        call = place.finder.call(task.ref)
        outcome = place.auditor.audit(call, on_progress)
    except AuditBusyError:
        return Busy(task=task)
    except AuditPoisonedError as exc:
        return Poisoned(task=task, code=exc.code)
    except Exception as exc:
        if _is_defect(exc):
            log.exception(
                "a call could not be audited",
                extra={"room_sid": task.ref.room_sid, "error": type(exc).__name__},
            )
        # Models that are missing are missing for every call; room may be there for the next one.
        is_fatal = isinstance(exc, SpeechError) and not isinstance(exc, SpoolError)
        return Failed(task=task, error=call_error(exc), is_fatal=is_fatal)
    finally:
        place.claims.patience_s = patience_s
    return Audited(task=task, outcome=outcome if keeps_words else replace(outcome, utterances=()))


def call_error(exc: Exception) -> CallError:
    """An error in words that may be shown and may travel."""
    is_defect = _is_defect(exc)
    return CallError(
        code=type(exc).__name__,
        message=None if is_defect else str(exc),
        exit_code=None if is_defect else getattr(exc, "exit_code", None),
    )


def _is_defect(exc: Exception) -> bool:
    return not isinstance(getattr(exc, "exit_code", None), int)
