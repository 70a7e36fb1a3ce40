"""Proposals: by one person, decided by another, and never over somebody else's change."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from rules.book_check import check_book
from storage.database import Database
from storage.errors import (
    DatabaseRefusedError,
    ProposalConflictError,
    ProposalError,
    RulesMissingError,
)
from storage.published_rules import FileChange, in_force
from storage.rule_proposals import (
    MAX_OPEN,
    ProposalState,
    approve,
    get_proposal,
    merge,
    proposals,
    propose,
    reject,
    withdraw,
)
from tests.storage.builders import NOW
from tests.storage.rulebooks import (
    BOOK,
    OTHER,
    PACK,
    approved,
    edited,
    files_in,
    imported,
    later,
    proposed,
)

SHORTER = edited(BOOK, "talk.yaml", b"severity: low", b"severity: high")
OTHER_EDITED = edited(BOOK, "more.yaml", b"severity: low", b"severity: high")
FAILING = edited(BOOK, "talk.yaml", b"say nothing to anybody", b"hold your tongue please")


def test_a_proposal_comes_back_as_it_was_made(database: Database) -> None:
    """With what it changes and what a check had found."""
    imported(database)
    made = proposed(database, SHORTER)
    with database.begin(read_only=True) as connection:
        assert get_proposal(connection, made.id) == made
        assert proposals(connection, state=ProposalState.OPEN) == (made,)
        assert proposals(connection, state=ProposalState.APPROVED) == ()
    assert [change.name for change in made.changes] == ["talk.yaml"]
    assert made.check.is_proven


def test_a_second_person_puts_it_in_force(database: Database) -> None:
    """The next version has both names, its reason, and its proposal."""
    imported(database)
    made = proposed(database, SHORTER, note="  it is worse than we thought ")
    version = approved(database, made)
    assert (version.number, version.supersedes, version.rollback_of) == (2, 1, None)
    assert (version.author, version.approved_by) == ("edna", "anton")
    assert (version.proposal_id, version.note) == (made.id, "it is worse than we thought")
    assert files_in(database, 2) == SHORTER
    assert files_in(database, 1) == BOOK
    with database.begin(read_only=True) as connection:
        decided = get_proposal(connection, made.id)
        assert in_force(connection) == version
    assert (decided.state, decided.decided_by, decided.decided_at) == (
        ProposalState.APPROVED, "anton", later(5),
    )  # fmt: skip


def test_nobody_decides_on_their_own(database: Database) -> None:
    """Neither approving nor rejecting; the author withdraws."""
    imported(database)
    made = proposed(database, SHORTER)
    with pytest.raises(ProposalError, match="second person"):
        approved(database, made, by="edna")
    with pytest.raises(ProposalError, match="second person"), database.begin() as connection:
        reject(connection, made.id, by="edna", now=NOW, note="no")
    with pytest.raises(ProposalError, match="only its author"), database.begin() as connection:
        withdraw(connection, made.id, by="anton", now=NOW)
    with database.begin() as connection:
        withdraw(connection, made.id, by="edna", now=NOW)
        assert get_proposal(connection, made.id).state is ProposalState.WITHDRAWN
    with pytest.raises(ProposalError, match="withdrawn already"):
        approved(database, made)


@pytest.mark.parametrize("state", ["approved", "rejected", "lost"])
def test_the_database_refuses_own_decisions(database: Database, state: str) -> None:
    """Whoever writes past the code meets the constraints."""
    imported(database)
    made = proposed(database, SHORTER)
    with pytest.raises(DatabaseRefusedError), database.begin() as connection:
        connection.execute(
            text("UPDATE rule_proposals SET state = :s, decided_by = author"), {"s": state}
        )
    with database.begin(read_only=True) as connection:
        assert get_proposal(connection, made.id).state is ProposalState.OPEN


def test_a_rejection_says_why(database: Database) -> None:
    """And is not taken back."""
    imported(database)
    made = proposed(database, SHORTER)
    with pytest.raises(ProposalError, match="say why"), database.begin() as connection:
        reject(connection, made.id, by="anton", now=NOW, note=" ")
    with database.begin() as connection:
        reject(connection, made.id, by="anton", now=NOW, note="too wide")
        decided = get_proposal(connection, made.id)
    assert (decided.state, decided.decision_note) == (ProposalState.REJECTED, "too wide")
    with pytest.raises(ProposalError, match="rejected already"):
        approved(database, made)


@pytest.mark.parametrize(
    ("files", "arguments", "error", "problem"),
    [
        pytest.param(BOOK, {}, ProposalError, "nothing is changed", id="same"),
        pytest.param(SHORTER, {"note": "  "}, ProposalError, "say in a note", id="no-note"),
        pytest.param(SHORTER, {"note": "x" * 2001}, ProposalError, "say in a note", id="long"),
        pytest.param(SHORTER, {"author": ""}, ProposalError, "needs an author", id="nobody"),
        pytest.param(SHORTER, {"base": 7}, RulesMissingError, "no version 7", id="no-base"),
        pytest.param(
            {**BOOK, "talk.yaml": b"pack: ["}, {}, ProposalError, "do not load", id="broken"
        ),
        pytest.param(
            {**BOOK, "../x.yaml": PACK}, {}, ProposalError, "do not load", id="hostile-name"
        ),
    ],
)
def test_what_cannot_be_proposed(
    database: Database,
    files: dict[str, bytes],
    arguments: dict[str, object],
    error: type[Exception],
    problem: str,
) -> None:
    """Each is refused in one sentence, and nothing is kept."""
    imported(database)
    with pytest.raises(error, match=problem):
        proposed(database, files, **arguments)  # type: ignore[arg-type]
    with database.begin(read_only=True) as connection:
        assert proposals(connection) == ()


def test_what_was_checked_is_what_is_proposed(database: Database) -> None:
    """A check of other files proves nothing."""
    imported(database)
    with pytest.raises(ProposalError, match="check it again"), database.begin() as connection:
        propose(
            connection, SHORTER, base_version=1, check=check_book(BOOK), author="edna", note="n",
            now=NOW,
        )  # fmt: skip


def test_failing_cases_may_be_shown_but_not_approved(database: Database) -> None:
    """The proposal stands, so that somebody can look at it."""
    imported(database)
    made = proposed(database, FAILING)
    assert [case.name for case in made.check.failed] == ["said"]
    with pytest.raises(ProposalError, match="a case fails"):
        approved(database, made)


def test_cases_for_which_no_time_was_left_are_run_later(database: Database) -> None:
    """A check that was not whole is made up for when it is approved."""
    imported(database)
    with database.begin() as connection:
        made = propose(
            connection, SHORTER, base_version=1, check=check_book(SHORTER, max_elapsed_s=0.0),
            author="edna", note="n", now=NOW,
        )  # fmt: skip
    with pytest.raises(ProposalError, match="was not run"):
        approved(database, made)
    with database.begin() as connection:
        version = approve(connection, made.id, by="anton", now=NOW, check=check_book(SHORTER))
    assert version.number == 2


def test_changes_of_different_files_go_together(database: Database) -> None:
    """The later one is checked again with the earlier one in force."""
    imported(database)
    first, second = proposed(database, SHORTER), proposed(database, OTHER_EDITED, author="emil")
    approved(database, first)
    with pytest.raises(ProposalError, match="check it again"):
        approved(database, second)
    both = {**SHORTER, "more.yaml": OTHER_EDITED["more.yaml"]}
    with database.begin() as connection:
        assert merge(connection, second).conflicts == ()
        version = approve(connection, second.id, by="anton", now=NOW, check=check_book(both))
    assert version.number == 3
    assert files_in(database, 3) == both


def test_changes_of_one_file_conflict(database: Database) -> None:
    """Nobody's change is lost without a word."""
    imported(database)
    mine = proposed(database, edited(BOOK, "talk.yaml", b"severity: low", b"severity: medium"))
    approved(database, proposed(database, SHORTER, author="emil"))
    with pytest.raises(ProposalConflictError, match=r"changed talk\.yaml, too") as caught:
        approved(database, mine)
    assert caught.value.names == ("talk.yaml",)
    with database.begin(read_only=True) as connection:
        assert merge(connection, mine).conflicts == ("talk.yaml",)
        assert get_proposal(connection, mine.id).state is ProposalState.OPEN


def test_the_same_change_twice_is_one(database: Database) -> None:
    """The second one brings no version."""
    imported(database)
    first, again = proposed(database, SHORTER), proposed(database, SHORTER, author="emil")
    approved(database, first)
    with pytest.raises(ProposalError, match="holds this change already"):
        approved(database, again)


def test_files_are_added_and_removed(database: Database) -> None:
    """A removed pack is gone with its cases; its content stays for the old version."""
    imported(database)
    without = {name: raw for name, raw in BOOK.items() if not name.startswith("more")}
    made = proposed(database, without)
    assert [(change.name, change.after) for change in made.changes] == [
        ("more.cases.yaml", None), ("more.yaml", None),
    ]  # fmt: skip
    approved(database, made)
    assert files_in(database, 2) == without
    back = proposed(database, {**without, "more.yaml": OTHER}, base=2)
    assert back.changes == (
        FileChange(name="more.yaml", before=None, after=made.changes[1].before),
    )
    assert files_in(database, 1) == BOOK


def test_a_rollback_needs_a_second_person_too(database: Database) -> None:
    """The old content comes back as a new version."""
    imported(database)
    approved(database, proposed(database, SHORTER))
    back = proposed(database, BOOK, base=2, rollback_of=1, note="too many alerts")
    with pytest.raises(ProposalError, match="second person"):
        approved(database, back, by="edna")
    version = approved(database, back)
    assert (version.number, version.supersedes, version.rollback_of) == (3, 2, 1)
    assert files_in(database, 3) == BOOK


def test_a_rollback_of_what_has_moved_on_conflicts(database: Database) -> None:
    """It is of the whole book: a version that came meanwhile would be undone unseen."""
    imported(database)
    approved(database, proposed(database, SHORTER))
    back = proposed(database, BOOK, base=2, rollback_of=1)
    onto = {**SHORTER, "more.yaml": OTHER_EDITED["more.yaml"]}
    approved(database, proposed(database, onto, base=2, author="emil"))
    with pytest.raises(ProposalConflictError):
        approved(database, back)


def test_open_proposals_are_bounded(database: Database) -> None:
    """Nobody fills the inbox for ever."""
    imported(database)
    check = check_book(SHORTER)

    def once() -> None:
        with database.begin() as connection:
            propose(
                connection, SHORTER, base_version=1, check=check, author="edna", note="n", now=NOW
            )

    for _ in range(MAX_OPEN):
        once()
    with pytest.raises(ProposalError, match="100 proposals are open"):
        once()


def test_there_is_no_such_proposal(database: Database) -> None:
    """An id of nothing is told so."""
    with database.begin() as connection, pytest.raises(ProposalError, match="no such proposal"):
        approve(connection, "x", by="anton", now=NOW)
