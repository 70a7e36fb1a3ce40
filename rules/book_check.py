"""Everything that can be told of a book before it is in force: errors, poor rules, failed cases.

The result is plain text and numbers, so it travels between processes and is kept with a proposal.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rules.book_changes import rule_differences
from rules.book_files import BookFiles, cases_name, check_files, content_hash, pack_name
from rules.case_difference import difference
from rules.cases import TESTED, Case, CaseResult, load_book_cases, run_case
from rules.errors import Problem, RuleInputError, RuleLoadError
from rules.lint import LintIssue, lint
from rules.loader import load_book
from rules.rulebook import Rulebook
from rules.similarity import Embedder, rules_with_similarity

MAX_REMARKS = 500  # of a check; more help nobody


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Remark:
    """One thing to see to, and where."""

    file: str
    line: int  # from 1
    column: int  # from 1
    is_error: bool  # the book cannot be loaded with it
    code: str  # a fault of lint, "error", or "same-version"
    rule_id: str | None = None
    message: str  # "problem; mend"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCase:
    """A case that did not come out as it should."""

    file: str
    line: int
    name: str
    todo: str | None  # why it may fail
    differences: tuple[str, ...]  # what was expected and what came, masked


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCheck:
    """What a check found."""

    content_hash: str  # of the files that were checked
    fingerprint: str | None  # of the rule book; None where it does not load
    remarks: tuple[Remark, ...]
    n_rules: int = 0
    n_cases: int | None = None  # that were run; None where none were to be
    n_left: int = 0  # cases for which no time was left
    failed: tuple[FailedCase, ...] = ()
    unchecked: str | None = None  # what could not be looked at, and why

    @property
    def loads(self) -> bool:
        """Whether programs could use the book."""
        return self.fingerprint is not None

    @property
    def is_proven(self) -> bool:
        """Whether it loads and every case that must pass was run and does."""
        broken = [case for case in self.failed if case.todo is None]
        return self.loads and self.n_cases is not None and not self.n_left and not broken


def lint_file(files: BookFiles, name: str, embedder: Embedder | None = None) -> tuple[Remark, ...]:
    """What is wrong or poor in one file of a book, quickly enough for every pause in typing.

    Errors of other files are told too, where this file loads only together with them.

    Args:
        files: The whole book, with the file as it is written now.
        name: The file.
        embedder: See `rules.lint.lint`.
    """
    try:
        check_files(files)
        book = load_book(files)
        mine = {pack_name(name), cases_name(pack_name(name))}
        cases = load_book_cases({key: files[key] for key in files if key in mine}, book)
    except RuleLoadError as exc:
        return _errors(exc.problems)
    except RuleInputError as exc:
        return (_whole(name, str(exc)),)
    pack = Path(pack_name(name))
    own = replace(
        book,
        rules=tuple(rule for rule in book.rules if rule.location.path == pack),
        packs=tuple(each for each in book.packs if each.location and each.location.path == pack),
        unused=tuple(each for each in book.unused if each.location.path == pack),
    )
    issues = lint(own, cases, None if _needs(own) and embedder is None else embedder)
    return tuple(remark for remark in _issues(issues) if remark.file == name)


def check_book(
    files: BookFiles,
    *,
    before: BookFiles | None = None,
    embedder: Embedder | None = None,
    max_elapsed_s: float | None = None,
) -> BookCheck:
    """Load a book, look for poor rules, and run all cases.

    Args:
        files: The whole book.
        before: The book in force, to see whether what is changed has a new version.
        embedder: The model of sentences; without it, cases of rules that need it cannot be run.
        max_elapsed_s: Cases for which no time is left are counted.
    """
    begun_s = time.monotonic()
    hashed = content_hash(files)
    try:
        check_files(files)
        book = load_book(files)
        cases = load_book_cases(files, book)
    except RuleLoadError as exc:
        return BookCheck(content_hash=hashed, fingerprint=None, remarks=_errors(exc.problems))
    except RuleInputError as exc:
        remark = _whole(min(files, default=""), str(exc))
        return BookCheck(content_hash=hashed, fingerprint=None, remarks=(remark,))
    unchecked = None
    if embedder is None and (asking := _needs(book)):
        unchecked = f"cases, as the model of sentences is not here, which {asking[0]} needs"
    results: list[CaseResult] = []
    n_left = len(cases) if unchecked else 0
    for i, case in enumerate(() if unchecked else cases):
        if max_elapsed_s is not None and time.monotonic() - begun_s > max_elapsed_s:
            n_left = len(cases) - i
            break
        results.append(run_case(case, book, embedder))
    remarks = [*_issues(lint(book, cases, embedder)), *_renumbered(before, book)]
    return BookCheck(
        content_hash=hashed,
        fingerprint=book.fingerprint,
        remarks=tuple(sorted(remarks, key=_place))[:MAX_REMARKS],
        n_rules=len(book.rules),
        n_cases=len(results),
        n_left=n_left,
        failed=tuple(_failed(result) for result in results if not result.passed)[:MAX_REMARKS],
        unchecked=unchecked,
    )


def _needs(book: Rulebook) -> tuple[str, ...]:
    return rules_with_similarity(book, TESTED)


def _errors(problems: Iterable[Problem]) -> tuple[Remark, ...]:
    return tuple(
        Remark(
            file=problem.path.as_posix(),
            line=problem.line,
            column=problem.column,
            is_error=True,
            code="error",
            message=problem.message,
        )
        for problem in list(problems)[:MAX_REMARKS]
    )


def _whole(name: str, message: str) -> Remark:
    return Remark(file=name, line=1, column=1, is_error=True, code="error", message=message)


def _issues(issues: Sequence[LintIssue]) -> Iterator[Remark]:
    for issue in issues:
        yield Remark(
            file=issue.location.path.as_posix(),
            line=issue.location.line,
            column=issue.location.column,
            is_error=False,
            code=issue.fault.value,
            rule_id=issue.rule_id,
            message=issue.message,
        )


def _renumbered(before: BookFiles | None, book: Rulebook) -> Iterator[Remark]:
    """Rules that find something else under the version that old hits bear."""
    if before is None:
        return
    for each in rule_differences(load_book(before), book):
        if each.is_unnumbered:
            place = book.rule(each.rule_id).location
            yield Remark(
                file=place.path.as_posix(),
                line=place.line,
                column=place.column,
                is_error=False,
                code="same-version",
                rule_id=each.rule_id,
                message="the rule is changed and keeps its version; raise that of the pack",
            )


def _place(remark: Remark) -> tuple[str, int, int, str]:
    return remark.file, remark.line, remark.column, remark.message


def _failed(result: CaseResult) -> FailedCase:
    case: Case = result.case
    return FailedCase(
        file=case.path.as_posix(),
        line=case.line,
        name=case.name,
        todo=case.todo,
        differences=tuple(difference(result)),
    )
