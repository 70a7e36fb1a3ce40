"""What the rules pages do: drafts, checks, backtests, and the trail of each decision."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection

from console import rule_tasks
from console.errors import RulesUnreadableError
from console.rule_worker import long_workers, quick_workers
from console.state import Console
from rules.backtest import Backtest, PastCall
from rules.book_changes import RuleDifference, rule_differences, with_status
from rules.book_check import BookCheck, Remark
from rules.book_files import BookFiles, cases_name, check_name
from rules.errors import RuleInputError, RuleLoadError
from rules.loader import is_case_file, load_book
from rules.rulebook import Rulebook, RuleStatus
from storage import trail
from storage.past_calls import NotJudged, PastCalls
from storage.trail import TrailAction, TrailEvent

LINT_S = 10.0
CHECK_S = 60.0  # for cases; what is left then is counted
BACKTEST_S = 60.0
MAX_BACKTEST_CALLS = 500
_CHUNK_CALLS = 10
_SPARE_S = 15.0  # that a task may take beyond the time that it looks at itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A pack and its cases as somebody is writing them, on top of a version."""

    base: int
    name: str
    pack: str = field(repr=False)
    cases: str = field(repr=False)

    def onto(self, files: BookFiles) -> BookFiles:
        """The whole book with the draft in it; an empty text takes the file away.

        Raises:
            RuleInputError: the name may not stand in a book.
        """
        check_name(self.name)
        if is_case_file(Path(self.name)):
            raise RuleInputError(f"{self.name} names cases; name the pack, such as pii/card.yaml")
        book = dict(files)
        for name, text in ((self.name, self.pack), (cases_name(self.name), self.cases)):
            raw = plain(text).encode()
            if raw.strip():
                book[name] = raw
            else:
                book.pop(name, None)
        return book


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRun:
    """A backtest, and the calls that it does not tell of."""

    result: Backtest
    since: datetime  # UTC
    n_not_judged: int  # without a transcript or report, or not audited
    n_left: int  # for which no time was left, the oldest ones


def plain(text: str) -> str:
    """A text from a form, with line ends as files have them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@lru_cache(maxsize=8)
def _book(content_hash: str, names: tuple[str, ...], raws: tuple[bytes, ...]) -> Rulebook:
    return load_book(dict(zip(names, raws, strict=True)))


def book_of(content_hash: str, files: BookFiles) -> Rulebook:
    """The rule book of a version; versions don't change, so the last ones are kept.

    Raises:
        RulesUnreadableError: this Earmark cannot load what another one published.
    """
    try:
        return _book(content_hash, tuple(files), tuple(files.values()))
    except RuleLoadError:
        raise RulesUnreadableError(
            "These rules were published by another Earmark, and this one cannot load them. "
            "Nothing is lost; tell whoever runs the console."
        ) from None


def lint(files: BookFiles, name: str) -> tuple[Remark, ...]:
    """What is wrong or poor in one file; see `rules.book_check.lint_file`."""
    with quick_workers().lend() as worker:
        return worker.call(LINT_S, rule_tasks.lint, dict(files), name)


def check(console: Console, files: BookFiles, before: BookFiles | None) -> BookCheck:
    """Errors, poor rules and failed cases of a whole book."""
    with long_workers().lend() as worker:
        return worker.call(
            CHECK_S + _SPARE_S,
            rule_tasks.check,
            dict(files),
            None if before is None else dict(before),
            console.models_dir,
            CHECK_S,
        )


def backtest(
    console: Console, before: BookFiles, after: BookFiles, *, since: datetime
) -> BacktestRun:
    """Run both books over stored calls, the newest first, for as long as the time allows.

    Raises:
        RulesError: a book does not load.
        StorageError: database or object store cannot be reached.
    """
    past = PastCalls(console.database, console.objects)
    begun_s = time.monotonic()
    with long_workers().lend() as worker:
        worker.call(
            _SPARE_S, rule_tasks.begin_backtest, dict(before), dict(after), console.models_dir
        )
        calls = list(reversed(past.find(since=since)))
        n_left = max(0, len(calls) - MAX_BACKTEST_CALLS)
        del calls[MAX_BACKTEST_CALLS:]
        n_not_judged = 0
        while calls and time.monotonic() - begun_s < BACKTEST_S:
            read = [past.read(call) for call in calls[:_CHUNK_CALLS]]
            del calls[:_CHUNK_CALLS]
            judged = [each for each in read if isinstance(each, PastCall)]
            n_not_judged += sum(isinstance(each, NotJudged) for each in read)
            worker.call(_SPARE_S, rule_tasks.add_calls, judged)
        result = worker.call(_SPARE_S, rule_tasks.end_backtest)
    return BacktestRun(
        result=result, since=since, n_not_judged=n_not_judged, n_left=n_left + len(calls)
    )


def differences(before: BookFiles, after: BookFiles) -> tuple[RuleDifference, ...]:
    """Rules that differ; none where the changed book does not load."""
    try:
        return rule_differences(load_book(before), load_book(after))
    except (RuleLoadError, RuleInputError):
        return ()


def on_trial(files: BookFiles, name: str, rule_ids: frozenset[str]) -> BookFiles:
    """The book with some rules of a pack in the state `shadow`.

    Raises:
        RulesError: the text cannot be changed.
    """
    if not rule_ids or name not in files:
        return files
    return {**files, name: with_status(files[name], name, rule_ids, RuleStatus.SHADOW)}


def note_decision(
    connection: Connection,
    action: TrailAction,
    *,
    actor: str,
    subject: str,
    detail: Mapping[str, str | int | bool | None],
) -> None:
    """Write a decision on rules into the trail, in the transaction that makes it."""
    trail.append(
        connection,
        TrailEvent(actor=actor, action=action, room_sid=None, subject=subject, detail=detail),
    )


def since_days(console: Console, days: int) -> datetime:
    """So many days ago."""
    return console.now() - timedelta(days=days)
