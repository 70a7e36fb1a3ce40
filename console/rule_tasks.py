"""What a worker process does with rules: these functions run there, and reach nothing but memory.

The process has no database and no object store: what somebody writes into a rule file can stall or
exhaust only this process, which is ended when its time is over.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rules.backtest import Backtest, Comparison, PastCall
from rules.book_changes import rule_differences
from rules.book_check import BookCheck, Remark, check_book, lint_file
from rules.book_files import BookFiles
from rules.cases import TESTED
from rules.errors import RuleLoadError
from rules.loader import load_book
from rules.rulebook import Rulebook, RuleStatus
from rules.similarity import Embedder, rules_with_similarity

# Rules on trial take part: what they would add is what a trial is for.
RUN = (RuleStatus.ACTIVE, RuleStatus.SHADOW)
MAX_EXAMPLES = 20
_comparison: Comparison | None = None


def lint(files: BookFiles, name: str) -> tuple[Remark, ...]:
    """See `rules.book_check.lint_file`."""
    return lint_file(dict(files), name)


def check(
    files: BookFiles, before: BookFiles | None, models_dir: Path | None, max_elapsed_s: float
) -> BookCheck:
    """See `rules.book_check.check_book`."""
    try:
        embedder = _embedder(load_book(files), TESTED, models_dir)
    except RuleLoadError:
        embedder = None  # what is wrong is told by the check
    return check_book(files, before=before, embedder=embedder, max_elapsed_s=max_elapsed_s)


def begin_backtest(before: BookFiles, after: BookFiles, models_dir: Path | None) -> None:
    """Begin to compare two books; `add_call` goes on.

    Raises:
        RuleLoadError: one of them does not load.
    """
    global _comparison
    in_force, changed = load_book(before), load_book(after)
    # Rules that are the same find the same: running them would only take time.
    differing = {each.rule_id for each in rule_differences(in_force, changed)}
    in_force, changed = (
        replace(book, rules=tuple(rule for rule in book.rules if rule.id in differing))
        for book in (in_force, changed)
    )
    embedders = (_embedder(book, RUN, models_dir) for book in (in_force, changed))
    _comparison = Comparison(
        in_force=in_force,
        changed=changed,
        max_examples=MAX_EXAMPLES,
        embedder=next((each for each in embedders if each is not None), None),
        statuses=RUN,
    )


def add_calls(calls: Collection[PastCall]) -> None:
    """Run both books over some more calls."""
    for call in calls:
        _current().add(call)


def end_backtest() -> Backtest:
    """What it comes to."""
    global _comparison
    result = _current().result()
    _comparison = None
    return result


def _current() -> Comparison:
    if _comparison is None:
        raise RuntimeError("no backtest was begun")
    return _comparison


def _embedder(
    book: Rulebook, statuses: Collection[RuleStatus], models_dir: Path | None
) -> Embedder | None:
    if models_dir is None or not rules_with_similarity(book, statuses):
        return None
    from speech.embedding import embedder_for  # numpy and onnxruntime: only where they are needed
    from speech.errors import SpeechError

    try:
        return embedder_for(book, models_dir, statuses=statuses)
    except SpeechError:
        return None  # the check says that these cases were not run
