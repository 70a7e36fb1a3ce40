"""Runs of the audit over many calls: which workers, which days, what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from earmark.audit_options import Chosen, Shard
from earmark.audit_output import AuditOutput
from earmark.audit_plan import AuditPlan
from earmark.audit_screen import AuditScreen
from earmark.cores import available_cores
from offline.audit import Outcome
from offline.errors import NothingToAuditError
from offline.executors import CallError, Executor
from offline.find import CallRef, Finder, Refs
from offline.run import Run, Summary
from storage.database import Database
from storage.nights import Night, NightOutcome, begin_night, end_night, missing_days
from storage.objects import ObjectStore

OnMoved = Callable[[int, Mapping[str, float]], None]

# Each worker holds its own models.
_MAX_DEFAULT_WORKERS = 8
_MAX_DEFAULT_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Which workers to take; what is None is decided by what there is."""

    engine: str  # pool or ray
    address: str | None = None
    n_workers: int | None = None
    n_threads: int | None = None  # of each

    def decided(self, n_calls: int) -> Workers:
        """With numbers for a pool on this machine; Ray knows its own."""
        if self.engine == "ray":
            return self
        n_cores = available_cores()
        n_workers = self.n_workers or max(1, min(n_cores, _MAX_DEFAULT_WORKERS, n_calls))
        n_threads = self.n_threads or max(1, min(_MAX_DEFAULT_THREADS, n_cores // n_workers))
        return Workers(
            engine=self.engine, address=self.address, n_workers=n_workers, n_threads=n_threads
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Calls of one day, or of any times."""

    day: date | None
    refs: tuple[CallRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is to audit."""

    batches: tuple[Batch, ...]
    n_left_out: int = 0  # missed nights, too many to catch up with


def find_batches(
    chosen: Chosen, database: Database, objects: ObjectStore, screen: AuditScreen
) -> Found:
    """Find the calls that the options ask for, and tell of missed nights.

    Raises:
        NothingToAuditError: there is none, where a day or a time was named.
    """
    finder = Finder(database, objects)
    shard = chosen.shard or Shard()
    with screen.busy("Looking for recordings"):
        if chosen.nightly:
            days, left_out = nights_to_run(database, datetime.now(UTC), catch_up=chosen.catch_up)
            batches = tuple(batch_of_day(finder, day, shard, screen) for day in days)
            _tell_of_nights(days, left_out, screen)
            return Found(batches=batches, n_left_out=len(left_out))
        if chosen.day is not None:
            batch = batch_of_day(finder, chosen.day, shard, screen)
            if not batch.refs and chosen.shard is None and not screen.n_unreadable:
                # It was asked after, and had nothing: that night is not missing.
                with _noted(database, batch, uuid4().hex, shard) as counts:
                    counts.append(Summary())
                finder.refs_by_day(chosen.day)  # says so
            return Found(batches=(batch,))
        assert chosen.since is not None  # noqa: S101 - narrows for the type checker
        refs = _refs_in(finder.refs_since(chosen.since, chosen.until), shard, screen)
        return Found(batches=(Batch(day=None, refs=refs),))


def nights_to_run(
    database: Database, now: datetime, *, catch_up: int
) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """Yesterday and the missed days before it, of many the latest; and those that are left out."""
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    with database.begin(read_only=True) as connection:
        missed = [day for day in missing_days(connection, now=now) if day < yesterday]
    n_left_out = max(0, len(missed) - catch_up)
    return (*missed[n_left_out:], yesterday), tuple(missed[:n_left_out])


def _tell_of_nights(days: Sequence[date], left_out: Sequence[date], screen: AuditScreen) -> None:
    *missed, _ = days
    if missed:
        screen.warn(f"Missed nights, audited now: {', '.join(map(str, missed))}.")
    if left_out:
        screen.warn(
            f"Missed nights, too many to catch up with: {', '.join(map(str, left_out))}. "
            "`earmark audit --date DAY` does one, --catch-up takes more."
        )


def batch_of_day(finder: Finder, day: date, shard: Shard, screen: AuditScreen) -> Batch:
    """The calls of a day; none is an answer too."""
    try:
        return Batch(day=day, refs=_refs_in(finder.refs_by_day(day), shard, screen))
    except NothingToAuditError:
        return Batch(day=day, refs=())


def _refs_in(found: Refs, shard: Shard, screen: AuditScreen) -> tuple[CallRef, ...]:
    """The calls of one shard; what belongs to no call is told of by the first."""
    if shard.index == 0:
        for key in found.unreadable:
            screen.warn(f"{key} is no manifest of a recording, and it is unknown of which call")
            screen.n_unreadable += 1
    return tuple(ref for ref in found.refs if shard.has(ref.room_sid))


@contextmanager
def _opened(
    plan: AuditPlan, workers: Workers, run_id: str, *, keeps_words: bool
) -> Iterator[Executor]:
    """The workers of a run; nobody is left at work at the end."""
    plan = plan.with_threads(workers.n_threads or 1)
    if workers.engine == "ray":
        # Takes seconds to import.
        from offline.executors.ray import RayExecutor

        executor: Executor = RayExecutor(
            plan,
            address=workers.address or "auto",
            n_workers=workers.n_workers,
            n_threads=workers.n_threads or 1,
            run_id=run_id,
            keeps_words=keeps_words,
        )
    else:
        from offline.executors.pool import PoolExecutor

        executor = PoolExecutor(
            plan, n_workers=workers.n_workers or 1, run_id=run_id, keeps_words=keeps_words
        )
    try:
        yield executor
    finally:
        executor.close()


def run_batches(
    plan: AuditPlan,
    workers: Workers,
    batches: Sequence[Batch],
    database: Database,
    *,
    shard: Shard,
    screen: AuditScreen,
    output: AuditOutput,
) -> Summary:
    """Audit all batches, one after the other, with the same workers.

    Raises:
        RunError: workers cannot begin, or die one after the other, or models are missing.
        StorageError: the database cannot be reached.
    """
    run_id = uuid4().hex
    total = Summary()
    n_calls = sum(len(batch.refs) for batch in batches)
    workers = workers.decided(n_calls)
    with (
        _opened(plan, workers, run_id, keeps_words=output.shows_text) as executor,
        screen.run_bar(n_calls) as update,
    ):
        for batch in batches:
            told = _Told(screen, output, update, n_before=total.n_calls)
            run = Run(executor, database, told)
            with _noted(database, batch, run_id, shard) as counts:
                try:
                    summary = run.over(batch.refs)
                except BaseException:
                    run.stop()
                    raise
                counts.append(summary)
            total += summary
    return total


def exit_code(summary: Summary, *, n_unchecked: int, findings_ok: bool) -> int:
    """What the shell sees of a run.

    Args:
        summary: Of all calls.
        n_unchecked: What belongs to no call and could not be checked: unreadable manifests, nights.
        findings_ok: Whether calls may have findings, or be incomplete.
    """
    if summary.n_lacking:
        return 3
    if summary.failure_codes and summary.n_failed == summary.n_calls:
        return max(summary.failure_codes)
    if not summary.is_whole or summary.n_poisoned or n_unchecked:
        return 1
    return 0 if summary.is_clean or findings_ok else 1


@contextmanager
def _noted(database: Database, batch: Batch, run_id: str, shard: Shard) -> Iterator[list[Summary]]:
    """Note when a night's run began and how it ended; the block puts its summary in."""
    counts: list[Summary] = []
    if batch.day is None:
        yield counts
        return
    night = Night(
        run_id=run_id, day=batch.day, shard=shard.index, n_shards=shard.n,
        started_at=datetime.now(UTC),
    )  # fmt: skip
    with database.begin() as connection:
        begin_night(connection, night)
    outcome = NightOutcome.STOPPED
    try:
        yield counts
        outcome = NightOutcome.COMPLETE if counts[0].is_whole else NightOutcome.INCOMPLETE
    except Exception:
        outcome = NightOutcome.INCOMPLETE
        raise
    finally:
        with database.begin() as connection:
            end_night(
                connection, run_id, batch.day, outcome=outcome,
                counts=counts[0].counts() if counts else {}, now=datetime.now(UTC),
            )  # fmt: skip


class _Told:
    """Tells a person, or a program, what becomes of calls."""

    def __init__(
        self, screen: AuditScreen, output: AuditOutput, update: OnMoved, *, n_before: int
    ) -> None:
        self._screen = screen
        self._output = output
        self._update = update
        self._n_before = n_before

    def moved(self, n_done: int, under_way: Mapping[str, float]) -> None:
        """See `offline.run.Watcher`."""
        self._update(self._n_before + n_done, under_way)

    def audited(self, outcome: Outcome) -> None:
        """See `offline.run.Watcher`."""
        self._output.show(outcome)
        self._screen.tell_of_kept(outcome)

    def failed(self, room_sid: str, error: CallError) -> None:
        """See `offline.run.Watcher`."""
        self._screen.warn(f"{room_sid} could not be audited: {error.message or error.code}")
        self._output.show_not_audited(room_sid, error.code)

    def poisoned(self, room_sid: str, code: str, *, is_new: bool) -> None:
        """See `offline.run.Watcher`."""
        what = "is left alone from now on" if is_new else "was left alone"
        self._screen.warn(
            f"{room_sid} {what}: not audited, because attempts ended badly ({code}); "
            "--retry-poisoned takes it up again"
        )
        self._output.show_not_audited(room_sid, code)

    def busy(self, room_sid: str) -> None:
        """See `offline.run.Watcher`."""
        self._screen.warn(f"{room_sid} is with another run, which is at it")
