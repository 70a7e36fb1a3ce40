"""A rule book in memory: names, imports, and that nothing else is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.book_files import cases_name, check_files, content_hash, pack_name, read_book
from rules.cases import load_book_cases, load_cases
from rules.errors import RuleInputError, RuleLoadError
from rules.loader import load_book, load_rulebook
from tests.rules.test_hostile_files import BOMB, RULE


def test_the_built_in_book_is_the_same_from_memory() -> None:
    """Rules, packs, cases and the fingerprint are those of the files."""
    files = read_book()
    book, on_disk = load_book(files), load_rulebook()
    assert book.fingerprint == on_disk.fingerprint
    assert book.rules == on_disk.rules
    assert len(load_book_cases(files, book)) == len(load_cases((), on_disk))


@pytest.mark.parametrize(
    "name",
    [
        "../card.yaml", "/etc/card.yaml", "a//b.yaml", "card.txt", "Card.yaml", "card.yaml/", "",
        ".yaml", "a\\b.yaml", "a/./b.yaml", "car d.yaml", "card.yaml\n", "a" * 200 + ".yaml",
        "c:/a.yaml", "<b>.yaml", "a/b/c/d/e/f/g.yaml",
    ],
)  # fmt: skip
def test_names_that_no_book_may_hold(name: str) -> None:
    """A name is a plain relative path; everything else is refused."""
    with pytest.raises(RuleInputError, match="is no name of a rule file"):
        check_files({name: RULE.encode()})


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param({f"a{i}.yaml": b"" for i in range(401)}, "more than 400 files", id="many"),
        pytest.param({"a.yaml": b"x" * 1_048_577}, "larger than 1048576 bytes", id="large"),
        pytest.param(
            {f"a{i}.yaml": b"x" * 1_048_576 for i in range(9)}, "all files together", id="all"
        ),
    ],
)
def test_books_have_limits(files: dict[str, bytes], problem: str) -> None:
    """Nobody can put more into the database than a book needs."""
    with pytest.raises(RuleInputError, match=problem):
        check_files(files)


def test_an_import_finds_only_what_is_in_the_book(tmp_path: Path) -> None:
    """Neither the built-in book nor a file of the machine can be reached by an import."""
    other = tmp_path / "secret.yaml"
    other.write_text(RULE)
    importing = RULE.replace("version: 1\n", "version: 1\nimports: [pii.card]\n").encode()
    with pytest.raises(RuleLoadError, match="among the loaded ones"):
        load_book({"a.yaml": importing})
    by_path = RULE.replace("version: 1\n", f"version: 1\nimports: [{other}]\n").encode()
    with pytest.raises(RuleLoadError) as caught:
        load_book({"a.yaml": by_path})
    assert "should match pattern" in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        pytest.param(BOMB.encode(), "anchors and aliases are not allowed", id="laughs"),
        pytest.param(b"[" * 900_000, "nested deeper than 16 levels", id="brackets"),
        pytest.param(b"!!python/object/apply:os.system [x]", "a.yaml:1:", id="code"),
        pytest.param(b"!include /etc/passwd", "a.yaml:1:", id="include"),
        pytest.param(RULE.encode("utf-16"), "not UTF-8 text", id="utf-16"),
    ],
)
def test_hostile_text(raw: bytes, problem: str) -> None:
    """Text from a browser is refused just as a file is."""
    with pytest.raises(RuleLoadError, match=problem):
        load_book({"a.yaml": raw})


def test_files_are_read_under_names_of_their_own(tmp_path: Path) -> None:
    """Below a folder by their path, a single file by its name, with its cases."""
    (tmp_path / "pii").mkdir()
    for name in ("pii/card.yaml", "pii/card.cases.yaml", "more.yaml"):
        (tmp_path / name).write_text(name)
    assert sorted(read_book([tmp_path])) == ["more.yaml", "pii/card.cases.yaml", "pii/card.yaml"]
    assert sorted(read_book([tmp_path / "pii" / "card.yaml"])) == ["card.cases.yaml", "card.yaml"]
    with pytest.raises(RuleInputError, match="two files would be named"):
        read_book([tmp_path, tmp_path / "more.yaml"])
    with pytest.raises(RuleLoadError, match="No such file"):
        read_book([tmp_path / "none.yaml"])


def test_the_hash_is_of_names_and_contents() -> None:
    """It differs when either does."""
    hashes = {
        content_hash(f) for f in ({}, {"a": b""}, {"b": b""}, {"a": b"1"}, {"a": b"", "b": b""})
    }
    assert len(hashes) == 5


def test_cases_lie_beside() -> None:
    """Names of packs and of their cases lead to each other."""
    assert cases_name("pii/card.yaml") == "pii/card.cases.yaml"
    assert pack_name("pii/card.cases.yaml") == "pii/card.yaml"
    assert pack_name("pii/card.yaml") == "pii/card.yaml"
