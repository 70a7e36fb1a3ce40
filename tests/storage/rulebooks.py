"""A small rule book, and steps of its life in the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from rules.book_check import check_book
from rules.book_files import BookFiles
from storage.database import Database
from storage.published_rules import RuleVersion, files_of, import_first
from storage.rule_proposals import Proposal, approve, propose
from tests.storage.builders import NOW

PACK = b"""\
pack: qa.talk
version: 1
owner: QA
rules:
  - id: qa.secrecy
    title: Secrecy asked for
    description: Somebody asks that nobody be told.
    severity: low
    references: [Manual 1]
    when: say nothing to anybody
"""
CASES = b"""\
cases:
  - {name: said, say: please say nothing to anybody, hit: qa.secrecy}
  - {name: near miss, say: please say it to everybody, no_hit: qa.secrecy}
"""
OTHER = (
    PACK.replace(b"qa.talk", b"qa.more")
    .replace(b"qa.secrecy", b"qa.promise")
    .replace(b"say nothing to anybody", b"i promise you a profit")
)
OTHER_CASES = b"""\
cases:
  - {name: said, say: well i promise you a profit, hit: qa.promise}
  - {name: near miss, say: i promise you a call, no_hit: qa.promise}
"""
BOOK: BookFiles = {
    "talk.yaml": PACK,
    "talk.cases.yaml": CASES,
    "more.yaml": OTHER,
    "more.cases.yaml": OTHER_CASES,
}


def edited(files: BookFiles, name: str, old: bytes, new: bytes) -> BookFiles:
    """The book with one file edited."""
    assert old in files[name]
    return {**files, name: files[name].replace(old, new)}


def imported(database: Database, files: BookFiles = BOOK) -> RuleVersion:
    """Version 1."""
    with database.begin() as connection:
        return import_first(
            connection, files, check=check_book(files), by="olga", note="files", now=NOW
        )


def proposed(
    database: Database,
    files: BookFiles,
    *,
    base: int = 1,
    author: str = "edna",
    note: str = "a reason",
    rollback_of: int | None = None,
) -> Proposal:
    """An open proposal."""
    with database.begin() as connection:
        return propose(
            connection,
            files,
            base_version=base,
            check=check_book(files),
            author=author,
            note=note,
            now=NOW,
            rollback_of=rollback_of,
        )


def approved(database: Database, proposal: Proposal, *, by: str = "anton") -> RuleVersion:
    """The version that a proposal leads to."""
    with database.begin() as connection:
        return approve(connection, proposal.id, by=by, now=later(5))


def later(minutes: int) -> datetime:
    """A moment after NOW."""
    return NOW + timedelta(minutes=minutes)


def files_in(database: Database, number: int) -> dict[str, bytes]:
    """The files of a version."""
    with database.begin(read_only=True) as connection:
        return dict(files_of(connection, number))
