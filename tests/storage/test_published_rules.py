"""Versions of the published rules: one line, each by two people, of contents that stay."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from rules.book_check import check_book
from rules.loader import load_book
from storage.database import Database
from storage.errors import (
    DatabaseRefusedError,
    ProposalError,
    RulesMissingError,
    StorageUnavailableError,
)
from storage.published_rules import (
    get_version,
    import_first,
    in_force,
    latest,
    load_in_force,
    numbers_by_fingerprint,
    versions,
)
from tests.storage.builders import NOW
from tests.storage.rulebooks import BOOK, PACK, approved, edited, files_in, imported, proposed


def test_nothing_is_published_at_first(database: Database) -> None:
    """Who asks for published rules then is told how to get some."""
    with database.begin(read_only=True) as connection:
        assert latest(connection) is None
        with pytest.raises(RulesMissingError, match="earmark rules published import"):
            in_force(connection)
    with pytest.raises(RulesMissingError):
        load_in_force(database)


def test_files_become_the_first_version(database: Database) -> None:
    """It has the files as they were, and somebody who took them over."""
    version = imported(database)
    assert (version.number, version.author, version.approved_by) == (1, "import", "olga")
    assert files_in(database, 1) == BOOK
    loaded = load_in_force(database)
    assert loaded.version == 1
    assert loaded.rulebook.rules == load_book(BOOK).rules
    assert loaded.rulebook.fingerprint == version.fingerprint


def test_only_the_first_version_is_imported(database: Database) -> None:
    """A second import would go around the second person."""
    imported(database)
    with pytest.raises(ProposalError, match="propose a change"):
        imported(database)


@pytest.mark.parametrize(
    ("files", "by", "problem"),
    [
        pytest.param({"a.yaml": b"pack: ["}, "olga", "do not load", id="broken"),
        pytest.param(BOOK, "", "somebody must take", id="nobody"),
        pytest.param(BOOK, "import", "somebody must take", id="itself"),
    ],
)
def test_what_cannot_be_imported(
    database: Database, files: dict[str, bytes], by: str, problem: str
) -> None:
    """A book that does not load, or that nobody answers for."""
    with pytest.raises(ProposalError, match=problem), database.begin() as connection:
        import_first(connection, files, check=check_book(files), by=by, note="", now=NOW)


def test_programs_get_the_version_in_force_or_the_one_they_ask_for(database: Database) -> None:
    """A call that begins after a version was approved gets that version."""
    imported(database)
    changed = edited(BOOK, "talk.yaml", b"say nothing", b"never say")
    changed = edited(changed, "talk.cases.yaml", b"say nothing", b"never say")
    changed = edited(changed, "talk.yaml", b"version: 1", b"version: 2")
    second = approved(database, proposed(database, changed))
    assert load_in_force(database).version == 2
    assert load_in_force(database).rulebook.fingerprint == second.fingerprint
    assert load_in_force(database, 1).rulebook.rule("qa.secrecy").version == 1
    with database.begin(read_only=True) as connection:
        assert [version.number for version in versions(connection)] == [2, 1]
        assert [version.number for version in versions(connection, before=2)] == [1]
        assert get_version(connection, 2) == second
        assert sorted(numbers_by_fingerprint(connection).values()) == [1, 2]
        with pytest.raises(RulesMissingError, match="no version 3"):
            get_version(connection, 3)


def _forge(database: Database, **changes: object) -> None:
    row = {
        "number": 2, "content_hash": "x", "fingerprint": "x", "author": "edna",
        "approved_by": "anton", "created_at": "2026-03-01 12:00:00", "supersedes": 1, "note": "n",
    } | changes  # fmt: skip
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    with database.begin() as connection:
        connection.execute(
            text(f"INSERT INTO rule_versions ({names}) VALUES ({values})"),  # noqa: S608
            row,
        )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"approved_by": "edna"}, id="own-approval"),
        pytest.param({"number": 1, "supersedes": None}, id="another-first"),
        pytest.param({"number": 3, "supersedes": None}, id="without-predecessor"),
        pytest.param({"supersedes": 7}, id="predecessor-unknown"),
    ],
)
def test_the_database_refuses(database: Database, changes: dict[str, object]) -> None:
    """Whoever writes past the code meets the constraints."""
    imported(database)
    with pytest.raises(DatabaseRefusedError):
        _forge(database, **changes)
    with database.begin(read_only=True) as connection:
        assert [version.number for version in versions(connection)] == [1]


def test_the_database_refuses_a_fork(database: Database) -> None:
    """A version has one successor."""
    imported(database)
    _forge(database)
    with pytest.raises(DatabaseRefusedError):
        _forge(database, number=3)


def test_a_content_that_was_changed_is_noticed(database: Database) -> None:
    """Rules that are not those that were approved are put in force nowhere."""
    imported(database)
    with database.begin() as connection:
        connection.execute(
            text("UPDATE rule_texts SET content = :new WHERE content = :old"),
            {"new": PACK.replace(b"nothing", b"much"), "old": PACK},
        )
    with pytest.raises(StorageUnavailableError, match="damaged"):
        load_in_force(database)


def test_a_file_that_was_exchanged_is_noticed(database: Database) -> None:
    """The hash of a version is over the names and contents of all its files."""
    imported(database)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM rule_version_files WHERE name = 'more.yaml'"))
    with pytest.raises(StorageUnavailableError, match="version 1 of the rules is damaged"):
        load_in_force(database)
