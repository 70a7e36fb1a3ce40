"""The published rule book: numbered versions, of which the last one is in force.

Versions are only added, and each but the first comes from a proposal that a second person approved
(`storage.rule_proposals`). Contents are kept once, by their hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection, insert, select, text

from rules.book_check import BookCheck
from rules.book_files import BookFiles, content_hash
from rules.loader import load_book
from rules.rulebook import Rulebook
from storage.database import Database
from storage.errors import ProposalError, RulesMissingError, StorageUnavailableError
from storage.published_tables import RULE_TEXTS, RULE_VERSION_FILES, RULE_VERSIONS
from storage.upsert import insert_if_new

IMPORTED = "import"  # the author of the first version: files, and no person
_LOCK = int.from_bytes(b"rulebook", "big") >> 1  # of PostgreSQL; a signed number


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVersion:
    """One version of the published rule book."""

    number: int  # from 1
    content_hash: str  # see `rules.book_files.content_hash`
    fingerprint: str  # of the rule book, as calls, reports and audits bear it
    author: str = field(repr=False)
    approved_by: str = field(repr=False)
    created_at: datetime  # UTC
    supersedes: int | None
    rollback_of: int | None  # the version whose content came back
    proposal_id: str | None
    note: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file that differs between two states of the book, by the hashes of its content."""

    name: str
    before: str | None  # None of a new file
    after: str | None  # None of a removed one


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesInForce:
    """The rule book that programs use, and where it is from."""

    rulebook: Rulebook
    version: int | None  # None of rules from files


def latest(connection: Connection) -> RuleVersion | None:
    """The version in force, None where nothing was published yet."""
    row = (
        connection.execute(select(RULE_VERSIONS).order_by(RULE_VERSIONS.c.number.desc()).limit(1))
        .mappings()
        .first()
    )
    return None if row is None else RuleVersion(**row)


def in_force(connection: Connection) -> RuleVersion:
    """The version in force.

    Raises:
        RulesMissingError: nothing was published yet.
    """
    found = latest(connection)
    if found is None:
        raise RulesMissingError(
            "no rules are published yet; `earmark rules published import` takes over the built-in "
            "book, or the files that are given"
        )
    return found


def get_version(connection: Connection, number: int) -> RuleVersion:
    """One version.

    Raises:
        RulesMissingError: there is none with this number.
    """
    rows = select(RULE_VERSIONS).where(RULE_VERSIONS.c.number == number)
    row = connection.execute(rows).mappings().first()
    if row is None:
        raise RulesMissingError(f"no version {number} of the rules is published")
    return RuleVersion(**row)


def versions(
    connection: Connection, *, before: int | None = None, limit: int = 100
) -> tuple[RuleVersion, ...]:
    """Versions, the newest first.

    Args:
        connection: In a transaction.
        before: Only those with a smaller number.
        limit: So many at most.
    """
    query = select(RULE_VERSIONS).order_by(RULE_VERSIONS.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(RULE_VERSIONS.c.number < before)
    return tuple(RuleVersion(**row) for row in connection.execute(query).mappings())


def numbers_by_fingerprint(connection: Connection) -> Mapping[str, int]:
    """Versions by the fingerprint that calls and audits bear; the oldest one where several do."""
    rows = connection.execute(
        select(RULE_VERSIONS.c.fingerprint, RULE_VERSIONS.c.number).order_by(
            RULE_VERSIONS.c.number.desc()
        )
    )
    return dict(tuple(row) for row in rows)


def hashes_of(connection: Connection, number: int) -> Mapping[str, str]:
    """SHA-256 of each file of a version, by name."""
    rows = connection.execute(
        select(RULE_VERSION_FILES.c.name, RULE_VERSION_FILES.c.sha256)
        .where(RULE_VERSION_FILES.c.number == number)
        .order_by(RULE_VERSION_FILES.c.name)
    )
    return dict(tuple(row) for row in rows)


def files_of(connection: Connection, number: int) -> BookFiles:
    """The files of a version.

    Raises:
        RulesMissingError: there is no such version.
        StorageUnavailableError: a content is not what its hash says.
    """
    version = get_version(connection, number)
    files = read_files(connection, hashes_of(connection, number))
    if content_hash(files) != version.content_hash:
        raise StorageUnavailableError(
            f"version {number} of the rules is damaged: its files are not those it was made of"
        )
    return files


def read_files(connection: Connection, hashes: Mapping[str, str]) -> BookFiles:
    """Contents by name, from hashes by name.

    Raises:
        StorageUnavailableError: a content is missing, or not what its hash says.
    """
    contents = texts(connection, hashes.values())
    return MappingProxyType({name: contents[sha256] for name, sha256 in hashes.items()})


def texts(connection: Connection, hashes: Iterable[str]) -> Mapping[str, bytes]:
    """Contents by hash.

    Raises:
        StorageUnavailableError: a content is missing, or not what its hash says.
    """
    wanted = sorted(set(hashes))
    rows = connection.execute(select(RULE_TEXTS).where(RULE_TEXTS.c.sha256.in_(wanted)))
    found = {row.sha256: bytes(row.content) for row in rows}
    for sha256 in wanted:
        if sha256 not in found or hashlib.sha256(found[sha256]).hexdigest() != sha256:
            raise StorageUnavailableError(
                f"the content {sha256[:12]} of a published rule file is damaged; restore the "
                "database"
            )
    return found


def save_text(connection: Connection, content: bytes) -> str:
    """Keep a content, unless it is there; gives its hash."""
    sha256 = hashlib.sha256(content).hexdigest()
    insert_if_new(connection, RULE_TEXTS, {"sha256": sha256, "content": content})
    return sha256


def import_first(
    connection: Connection, files: BookFiles, *, check: BookCheck, by: str, note: str, now: datetime
) -> RuleVersion:
    """Make files the first version. It has no author but the files; who takes them over approves.

    Args:
        connection: In a transaction.
        files: The whole book.
        check: What a check of just these files found.
        by: Who takes them over.
        note: Where they are from.
        now: UTC.

    Raises:
        ProposalError: something is published already, or the book does not load.
    """
    lock_publishing(connection)
    if latest(connection) is not None:
        raise ProposalError("rules are published already; propose a change of them")
    if not check.loads or check.content_hash != content_hash(files):
        raise ProposalError("these rules do not load; `earmark rules lint` says why")
    if not by or by == IMPORTED:
        raise ProposalError(f"somebody must take the rules over, and not {IMPORTED!r}")
    return add_version(
        connection,
        RuleVersion(
            number=1,
            content_hash=check.content_hash,
            fingerprint=str(check.fingerprint),
            author=IMPORTED,
            approved_by=by,
            created_at=now,
            supersedes=None,
            rollback_of=None,
            proposal_id=None,
            note=note,
        ),
        {name: save_text(connection, raw) for name, raw in files.items()},
    )


def add_version(
    connection: Connection, version: RuleVersion, hashes: Mapping[str, str]
) -> RuleVersion:
    """Insert a version and its files; its contents are kept already."""
    row = {name: getattr(version, name) for name in RuleVersion.__slots__}
    connection.execute(insert(RULE_VERSIONS).values(row))
    connection.execute(
        insert(RULE_VERSION_FILES),
        [
            {"number": version.number, "name": name, "sha256": sha256}
            for name, sha256 in sorted(hashes.items())
        ],
    )
    return version


def lock_publishing(connection: Connection) -> None:
    """From here to the end of the transaction, nobody else publishes."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def changes_between(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FileChange, ...]:
    """Files that differ, from hashes by name."""
    return tuple(
        FileChange(name=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def load_in_force(database: Database, number: int | None = None) -> RulesInForce:
    """The published rule book, as programs use it.

    Args:
        database: Open.
        number: Of a version; None means the one in force now.

    Raises:
        RulesMissingError: nothing is published, or not in this version.
        RuleLoadError: this Earmark cannot load what another one published.
    """
    with database.begin(read_only=True) as connection:
        version = in_force(connection) if number is None else get_version(connection, number)
        files = files_of(connection, version.number)
    return RulesInForce(rulebook=load_book(files), version=version.number)
