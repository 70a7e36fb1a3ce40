"""Changes of the published rules: proposed by one person, decided by another.

A rollback is a proposal like any other: it too needs a second person, because taking rules back
can hide as much as adding them. A proposal is made against the version that its author saw; if
that is no longer the one in force, it applies only where the files that it changes are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from rules.book_check import BookCheck
from rules.book_files import BookFiles, content_hash
from storage.errors import ProposalConflictError, ProposalError
from storage.published_rules import (
    FileChange,
    RuleVersion,
    add_version,
    changes_between,
    get_version,
    hashes_of,
    in_force,
    lock_publishing,
    read_files,
    save_text,
)
from storage.published_tables import RULE_PROPOSAL_FILES, RULE_PROPOSALS

MAX_NOTE_CHARS = 2000
MAX_OPEN = 100
_CHECK = TypeAdapter(BookCheck)


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that somebody proposes."""

    id: str
    author: str = field(repr=False)
    base_version: int  # what its author saw
    rollback_of: int | None  # the version whose content is to come back
    note: str = field(repr=False)
    state: ProposalState
    created_at: datetime  # UTC
    decided_by: str | None = field(repr=False)
    decided_at: datetime | None
    decision_note: str | None = field(repr=False)
    check: BookCheck  # of the book with the change, when it was proposed
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A proposal applied to the version in force."""

    onto: int
    hashes: Mapping[str, str]  # of the resulting book, by name
    conflicts: tuple[str, ...]  # names of files that others have changed meanwhile


def propose(
    connection: Connection,
    files: BookFiles,
    *,
    base_version: int,
    check: BookCheck,
    author: str,
    note: str,
    now: datetime,
    rollback_of: int | None = None,
) -> Proposal:
    """Propose a book in place of a version.

    Args:
        connection: In a transaction.
        files: The whole book as it is to be.
        base_version: The version that `files` was made from.
        check: What a check of just these files found.
        author: Who proposes; may not approve.
        note: Why.
        now: UTC.
        rollback_of: The version that `files` is of, for a rollback.

    Raises:
        ProposalError: nothing changes, the book does not load, or the note is missing or too long.
        RulesMissingError: there is no such version.
    """
    note = note.strip()
    if not note or len(note) > MAX_NOTE_CHARS:
        raise ProposalError(
            f"say in a note of at most {MAX_NOTE_CHARS} characters what the change is for"
        )
    if not author:
        raise ProposalError("a proposal needs an author")
    if check.content_hash != content_hash(files):
        raise ProposalError("what was checked is not what is proposed; check it again")
    if not check.loads:
        raise ProposalError("the rules do not load; mend the errors first")
    lock_publishing(connection)
    n_open = connection.execute(
        select(func.count())
        .select_from(RULE_PROPOSALS)
        .where(RULE_PROPOSALS.c.state == ProposalState.OPEN.value)
    ).scalar_one()
    if n_open >= MAX_OPEN:
        raise ProposalError(f"{n_open} proposals are open; decide or withdraw some first")
    get_version(connection, base_version)
    before = hashes_of(connection, base_version)
    after = {name: save_text(connection, raw) for name, raw in files.items()}
    changes = changes_between(before, after)
    if not changes:
        raise ProposalError(f"nothing is changed against version {base_version}")
    proposal = Proposal(
        id=uuid4().hex,
        author=author,
        base_version=base_version,
        rollback_of=rollback_of,
        note=note,
        state=ProposalState.OPEN,
        created_at=now,
        decided_by=None,
        decided_at=None,
        decision_note=None,
        check=check,
        changes=changes,
    )
    _insert(connection, proposal)
    return proposal


def merge(connection: Connection, proposal: Proposal) -> Merge:
    """What the book would be if a proposal were approved now.

    A rollback is of the whole book, so any other version in force is a conflict.
    """
    base = in_force(connection)
    hashes = dict(hashes_of(connection, base.number))
    conflicts = []
    for change in proposal.changes:
        now = hashes.get(change.name)
        moved = proposal.rollback_of is not None and base.number != proposal.base_version
        if moved or now not in {change.before, change.after}:
            conflicts.append(change.name)
        elif change.after is None:
            hashes.pop(change.name, None)
        else:
            hashes[change.name] = change.after
    return Merge(onto=base.number, hashes=hashes, conflicts=tuple(conflicts))


def approve(
    connection: Connection,
    proposal_id: str,
    *,
    by: str,
    now: datetime,
    note: str | None = None,
    check: BookCheck | None = None,
) -> RuleVersion:
    """Put a proposal in force as the next version.

    Args:
        connection: In a transaction.
        proposal_id: An open proposal.
        by: Who approves; not its author.
        now: UTC.
        note: What they say to it.
        check: Of the merged book, where that is not the one that was checked when it was proposed.

    Raises:
        ProposalError: it is not open, is the approver's own, is not checked as it would be now, or
            a case fails. A rollback may fail cases, since it was in force before.
        ProposalConflictError: files that it changes were changed meanwhile.
    """
    lock_publishing(connection)
    proposal = _open(connection, proposal_id)
    _not_own(proposal, by)
    merged = merge(connection, proposal)
    if merged.conflicts:
        raise ProposalConflictError(
            f"version {merged.onto} is in force by now, and changed "
            f"{', '.join(merged.conflicts)}, too; propose the change anew",
            merged.conflicts,
        )
    files = read_files(connection, merged.hashes)
    hashed = content_hash(files)
    known = next((c for c in (check, proposal.check) if c and c.content_hash == hashed), None)
    if known is None or not known.loads:
        raise ProposalError(
            f"with version {merged.onto} in force, the result is another one than was checked; "
            "check it again"
        )
    if proposal.rollback_of is None and not known.is_proven:
        raise ProposalError("a case fails or was not run; mend it before it is approved")
    if changes_between(hashes_of(connection, merged.onto), merged.hashes) == ():
        raise ProposalError(f"version {merged.onto} holds this change already; reject it")
    _decide(connection, proposal, ProposalState.APPROVED, by=by, now=now, note=note)
    return add_version(
        connection,
        RuleVersion(
            number=merged.onto + 1,
            content_hash=hashed,
            fingerprint=str(known.fingerprint),
            author=proposal.author,
            approved_by=by,
            created_at=now,
            supersedes=merged.onto,
            rollback_of=proposal.rollback_of,
            proposal_id=proposal.id,
            note=proposal.note,
        ),
        merged.hashes,
    )


def reject(connection: Connection, proposal_id: str, *, by: str, now: datetime, note: str) -> None:
    """Turn a proposal down.

    Raises:
        ProposalError: it is not open, is one's own, or nothing is said for it.
    """
    lock_publishing(connection)
    proposal = _open(connection, proposal_id)
    _not_own(proposal, by)
    if not note.strip():
        raise ProposalError("say why it is rejected")
    _decide(connection, proposal, ProposalState.REJECTED, by=by, now=now, note=note)


def withdraw(connection: Connection, proposal_id: str, *, by: str, now: datetime) -> None:
    """Take one's own proposal back.

    Raises:
        ProposalError: it is not open, or somebody else's.
    """
    lock_publishing(connection)
    proposal = _open(connection, proposal_id)
    if proposal.author != by:
        raise ProposalError("only its author withdraws a proposal; reject it instead")
    _decide(connection, proposal, ProposalState.WITHDRAWN, by=by, now=now, note=None)


def get_proposal(connection: Connection, proposal_id: str) -> Proposal:
    """One proposal.

    Raises:
        ProposalError: there is none with this id.
    """
    rows = select(RULE_PROPOSALS).where(RULE_PROPOSALS.c.proposal_id == proposal_id)
    row = connection.execute(rows).mappings().first()
    if row is None:
        raise ProposalError("there is no such proposal")
    return _proposal(connection, row)


def proposals(
    connection: Connection, *, state: ProposalState | None = None, limit: int = 100
) -> tuple[Proposal, ...]:
    """Proposals, the newest first."""
    query = select(RULE_PROPOSALS).order_by(
        RULE_PROPOSALS.c.created_at.desc(), RULE_PROPOSALS.c.proposal_id
    )
    if state is not None:
        query = query.where(RULE_PROPOSALS.c.state == state.value)
    rows = connection.execute(query.limit(limit)).mappings().all()
    return tuple(_proposal(connection, row) for row in rows)


def _open(connection: Connection, proposal_id: str) -> Proposal:
    proposal = get_proposal(connection, proposal_id)
    if proposal.state is not ProposalState.OPEN:
        raise ProposalError(f"the proposal is {proposal.state} already")
    return proposal


def _not_own(proposal: Proposal, by: str) -> None:
    if not by:
        raise ProposalError("somebody must decide")
    if proposal.author == by:
        raise ProposalError("nobody decides on their own proposal; ask a second person")


def _decide(
    connection: Connection,
    proposal: Proposal,
    state: ProposalState,
    *,
    by: str,
    now: datetime,
    note: str | None,
) -> None:
    if note is not None and len(note) > MAX_NOTE_CHARS:
        raise ProposalError(f"the note is longer than {MAX_NOTE_CHARS} characters; shorten it")
    connection.execute(
        update(RULE_PROPOSALS)
        .where(RULE_PROPOSALS.c.proposal_id == proposal.id)
        .values(
            state=state.value,
            decided_by=by,
            decided_at=now,
            decision_note=(note or "").strip() or None,
        )
    )


def _insert(connection: Connection, proposal: Proposal) -> None:
    connection.execute(
        insert(RULE_PROPOSALS).values(
            proposal_id=proposal.id,
            author=proposal.author,
            base_version=proposal.base_version,
            rollback_of=proposal.rollback_of,
            note=proposal.note,
            state=proposal.state.value,
            created_at=proposal.created_at,
            check_result=asdict(proposal.check),
        )
    )
    connection.execute(
        insert(RULE_PROPOSAL_FILES),
        [
            {
                "proposal_id": proposal.id,
                "name": change.name,
                "before_sha256": change.before,
                "after_sha256": change.after,
            }
            for change in proposal.changes
        ],
    )


def _proposal(connection: Connection, row: RowMapping) -> Proposal:
    values = dict(row)
    proposal_id = values.pop("proposal_id")
    files = connection.execute(
        select(RULE_PROPOSAL_FILES)
        .where(RULE_PROPOSAL_FILES.c.proposal_id == proposal_id)
        .order_by(RULE_PROPOSAL_FILES.c.name)
    )
    return Proposal(
        id=proposal_id,
        state=ProposalState(values.pop("state")),
        check=_CHECK.validate_python(values.pop("check_result")),
        changes=tuple(
            FileChange(name=file.name, before=file.before_sha256, after=file.after_sha256)
            for file in files
        ),
        **values,
    )
