"""Checks of a book that is not in force yet."""

from __future__ import annotations

from rules.book_check import Remark, check_book, lint_file
from rules.book_files import content_hash

PACK = b"""\
pack: a.b
version: 1
owner: QA
rules:
  - id: a.one
    title: One
    description: D
    severity: low
    references: [Manual 1]
    when: say nothing to anybody
"""
CASES = b"""\
cases:
  - {name: said, say: please say nothing to anybody, hit: a.one}
  - {name: near miss, say: please say it to everybody, no_hit: a.one}
"""
BOOK = {"a.yaml": PACK, "a.cases.yaml": CASES}


def test_a_good_book_is_proven() -> None:
    """It loads, nothing is poor, and all its cases pass."""
    check = check_book(BOOK, before=BOOK)
    assert (check.is_proven, check.remarks, check.n_rules, check.n_cases) == (True, (), 1, 2)
    assert check.content_hash == content_hash(BOOK)


def test_a_failed_case_is_told_with_its_difference() -> None:
    """The book loads, and is not proven."""
    check = check_book({**BOOK, "a.cases.yaml": CASES.replace(b"no_hit", b"hit")})
    assert check.loads
    assert not check.is_proven
    (failed,) = check.failed
    assert (failed.file, failed.line, failed.name) == ("a.cases.yaml", 3, "near miss")
    assert failed.differences == ("  - a hit of a.one", "  + got none")


def test_a_case_to_do_does_not_count() -> None:
    """It may fail, and is shown."""
    cases = CASES.replace(b"no_hit: a.one", b"hit: a.one, todo: later")
    check = check_book({**BOOK, "a.cases.yaml": cases})
    assert check.is_proven
    assert [case.todo for case in check.failed] == ["later"]


def test_no_time_is_no_proof() -> None:
    """Cases that were not run are counted."""
    check = check_book(BOOK, max_elapsed_s=0.0)
    assert (check.n_left, check.is_proven) == (2, False)


def test_an_error_has_its_place() -> None:
    """A key that is none is told by line and column."""
    broken = PACK.replace(b"severity", b"severety")
    check = check_book({"a.yaml": broken})
    assert not check.loads
    assert check.remarks[0] == Remark(
        file="a.yaml",
        line=8,
        column=5,
        is_error=True,
        code="error",
        message="unknown key 'severety'; did you mean 'severity'?",
    )
    assert lint_file({"a.yaml": broken}, "a.yaml") == check.remarks


def test_lint_of_a_file_is_about_that_file() -> None:
    """Poor rules of other files are not told; those of this one are, with their place."""
    poor = PACK.replace(b"a.b", b"c.d").replace(b"a.one", b"c.one").replace(b"owner: QA\n", b"")
    files = {**BOOK, "c.yaml": poor}
    assert lint_file(files, "a.yaml") == ()
    found = [(remark.code, remark.line) for remark in lint_file(files, "c.yaml")]
    assert found == [("no-hit-case", 4), ("no-near-miss", 4), ("no-owner", 1)]


def test_a_bad_name_is_an_error_of_the_book() -> None:
    """Nothing is loaded from it."""
    (remark,) = check_book({"../a.yaml": PACK}).remarks
    assert remark.is_error
    assert "is no name of a rule file" in remark.message


def test_a_change_under_the_same_number_is_told() -> None:
    """Old hits bear that number, and mean something else."""
    changed = {**BOOK, "a.yaml": PACK.replace(b"say nothing", b"say never")}
    codes = [remark.code for remark in check_book(changed, before=BOOK).remarks]
    assert "same-version" in codes
    renumbered = {"a.yaml": changed["a.yaml"].replace(b"version: 1", b"version: 2")}
    codes = [remark.code for remark in check_book(renumbered, before=BOOK).remarks]
    assert "same-version" not in codes
