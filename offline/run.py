"""A run over many calls: each is given to a worker once, and what became of it is counted."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Protocol

from offline.audit import Outcome
from offline.errors import RunError
from offline.executors.task import (
    Audited,
    Busy,
    CallError,
    Event,
    Executor,
    Failed,
    Lost,
    Moved,
    Poisoned,
    Task,
)
from offline.find import CallRef
from offline.report import Headline
from rules.types import Severity
from storage import audits
from storage.database import Database

# So many workers in a row that die before any call is done are no calls' fault.
_MAX_LOST_IN_A_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run came to. Every call is in one of the counts up to `n_busy`."""

    n_calls: int = 0
    n_audited: int = 0  # by this run
    n_already_done: int = 0  # by an earlier one, or another one meanwhile
    n_failed: int = 0  # a later run tries them again
    n_poisoned: int = 0  # left alone, or poison from now on
    n_busy: int = 0  # with another run that is still at them
    n_incomplete: int = 0  # have a report, and not everything could be checked
    n_lacking: int = 0  # of these, for want of models; a later run audits them anew
    n_with_findings: int = 0
    findings: Mapping[Severity, int] = field(default_factory=dict)  # of all reports
    failure_codes: tuple[int, ...] = ()  # exit codes of the calls that failed
    lacks: tuple[str, ...] = ()  # what was not to be had, a sentence each
    elapsed_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether every call has its report, or is known to have none."""
        return not (self.n_failed or self.n_busy or self.n_lacking)

    @property
    def is_clean(self) -> bool:
        """Whether everything was checked, and nothing found."""
        return self.is_whole and not (self.n_poisoned or self.n_incomplete or self.n_with_findings)

    def __add__(self, other: Summary) -> Summary:
        """Both together."""
        numbers = {
            each.name: getattr(self, each.name) + getattr(other, each.name)
            for each in fields(self)
            if each.name not in {"findings", "lacks"}
        }
        findings = Counter(self.findings) + Counter(other.findings)
        lacks = tuple(dict.fromkeys((*self.lacks, *other.lacks)))
        return Summary(**numbers, findings=dict(findings), lacks=lacks)

    def counts(self) -> dict[str, object]:
        """The same as JSON."""
        return {
            "calls": self.n_calls,
            "audited": self.n_audited,
            "already_done": self.n_already_done,
            "failed": self.n_failed,
            "poisoned": self.n_poisoned,
            "with_another_run": self.n_busy,
            "incomplete": self.n_incomplete,
            "lacking_models": self.n_lacking,
            "with_findings": self.n_with_findings,
            "findings": {each.value: self.findings.get(each, 0) for each in Severity},
            "elapsed_s": round(self.elapsed_s, 1),
        }


class Watcher(Protocol):
    """Whoever is told what becomes of calls."""

    def moved(self, n_done: int, under_way: Mapping[str, float]) -> None:
        """So many calls are done; others are under way, by id and how far, in [0.0, 1.0]."""

    def audited(self, outcome: Outcome) -> None:
        """A call has its report."""

    def failed(self, room_sid: str, error: CallError) -> None:
        """A call failed, and a later run will try it again."""

    def poisoned(self, room_sid: str, code: str, *, is_new: bool) -> None:
        """A call is left alone from now on, or was left alone."""

    def busy(self, room_sid: str) -> None:
        """Another run has the call and is alive."""


class Run:
    """Gives calls to workers and sees to it that every one of them has an outcome.

    Args:
        executor: The workers.
        database: To speak for workers that are dead.
        watcher: Told of everything.
    """

    def __init__(self, executor: Executor, database: Database, watcher: Watcher) -> None:
        self._executor = executor
        self._database = database
        self._watcher = watcher
        self._counts: Counter[str] = Counter()
        self._findings: Counter[Severity] = Counter()
        self._codes: list[int] = []
        self._lacks: dict[str, None] = {}
        self._under_way: dict[str, float] = {}
        self._later: list[Task] = []
        self._n_lost_in_a_row = 0
        self._n_calls = 0

    def over(self, refs: Iterable[CallRef]) -> Summary:
        """Audit calls, those that another run has last.

        Raises:
            RunError: workers cannot begin, or die one after the other, or models are missing.
        """
        began_s = time.monotonic()
        queue = deque(Task(ref=ref) for ref in refs)
        self._n_calls += len(queue)
        while queue or self._later or self._executor.n_at_work:
            if not queue and self._later:
                queue.extend(replace(task, is_patient=True) for task in self._later)
                self._later.clear()
            while queue and self._executor.n_free:
                task = queue.popleft()
                self._under_way[task.ref.room_sid] = 0.0
                self._executor.submit(task)
            self._settle(self._executor.next_event())
        return Summary(
            n_calls=self._n_calls,
            n_audited=self._counts["audited"],
            n_already_done=self._counts["already_done"],
            n_failed=self._counts["failed"],
            n_poisoned=self._counts["poisoned"],
            n_busy=self._counts["busy"],
            n_incomplete=self._counts["incomplete"],
            n_lacking=self._counts["lacking"],
            n_with_findings=self._counts["with_findings"],
            findings=dict(self._findings),
            failure_codes=tuple(self._codes),
            lacks=tuple(self._lacks),
            elapsed_s=time.monotonic() - began_s,
        )

    def stop(self) -> None:
        """End the workers and give back what they held."""
        for owner in self._executor.close():
            with self._database.begin() as connection:
                audits.release_of_owner(connection, owner, error="stopped", now=datetime.now(UTC))

    def _settle(self, event: Event) -> None:
        sid = event.task.ref.room_sid
        if isinstance(event, Moved):
            self._under_way[sid] = event.done_ratio
            self._tell()
            return
        self._under_way.pop(sid, None)
        if isinstance(event, Lost):
            self._lost(event)
        else:
            self._n_lost_in_a_row = 0
        match event:
            case Audited():
                self._count(event.outcome)
                self._watcher.audited(event.outcome)
            case Busy() if not event.task.is_patient:
                self._later.append(event.task)
            case Busy():
                self._counts["busy"] += 1
                self._watcher.busy(sid)
            case Poisoned():
                self._counts["poisoned"] += 1
                self._watcher.poisoned(sid, event.code, is_new=False)
            case Failed():
                self._failed(sid, event.error)
                if event.is_fatal:
                    error = event.error
                    raise RunError(error.message or error.code, error.exit_code or 3)
        self._tell()

    def _lost(self, event: Lost) -> None:
        now = datetime.now(UTC)
        keys: tuple[str, ...] = ()
        with self._database.begin() as connection:
            if event.is_fault:
                keys = audits.poison_of_owner(connection, event.owner, error=event.code, now=now)
            else:
                audits.release_of_owner(connection, event.owner, error=event.code, now=now)
        sid = event.task.ref.room_sid
        if keys:
            self._counts["poisoned"] += 1
            self._watcher.poisoned(sid, event.code, is_new=True)
        else:  # it died before it had claimed anything, or for nothing that lies in the call
            self._failed(sid, CallError(code=event.code, message=None, exit_code=None))
        self._n_lost_in_a_row += 1
        if self._n_lost_in_a_row >= _MAX_LOST_IN_A_ROW:
            raise RunError(
                f"{self._n_lost_in_a_row} workers in a row died; is there memory for so many? "
                "Give fewer --workers; --retry-poisoned takes up again what was at them",
                3,
            )

    def _failed(self, sid: str, error: CallError) -> None:
        self._counts["failed"] += 1
        self._codes.append(error.exit_code or 1)
        self._watcher.failed(sid, error)

    def _count(self, outcome: Outcome) -> None:
        report = outcome.report
        self._counts["already_done" if outcome.was_done else "audited"] += 1
        is_undecided = report.headline is Headline.INCOMPLETE
        self._counts["incomplete"] += is_undecided or not report.is_complete
        self._counts["lacking"] += bool(outcome.lacks)
        self._lacks.update(dict.fromkeys(outcome.lacks))
        severities = [f.severity for f in report.audit_findings]
        self._counts["with_findings"] += bool(severities)
        self._findings.update(severities)

    def _tell(self) -> None:
        n_done = sum(
            self._counts[what] for what in ("audited", "already_done", "failed", "poisoned", "busy")
        )
        self._watcher.moved(n_done, self._under_way)
