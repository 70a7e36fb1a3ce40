"""Views that people keep."""

from __future__ import annotations

import pytest

from storage.database import Database
from storage.errors import ReviewError, ReviewMissingError
from storage.saved_views import MAX_VIEWS, SavedView, delete_view, get_view, save_view, views_for
from tests.storage.builders import NOW


def keep(
    database: Database,
    name: str,
    owner: str = "rita",
    *,
    shared: bool = False,
    query: dict[str, str] | None = None,
) -> SavedView:
    """Save a view."""
    with database.begin() as connection:
        return save_view(
            connection, owner=owner, name=name, query=query or {"rule": "pii.card-number"},
            is_shared=shared, now=NOW,
        )  # fmt: skip


def test_own_and_shared_views(database: Database) -> None:
    """Everybody sees their own and what is shared, and nothing else of others."""
    mine, shared = keep(database, "Cards"), keep(database, "All", "lea", shared=True)
    theirs = keep(database, "Secret", "lea")
    with database.begin(read_only=True) as connection:
        assert views_for(connection, "rita") == (shared, mine)
        assert get_view(connection, shared.view_id, "rita") == shared
        for view_id in (theirs.view_id, "view_none"):
            with pytest.raises(ReviewMissingError, match="there is no such view"):
                get_view(connection, view_id, "rita")


def test_deleting_a_view(database: Database) -> None:
    """One deletes one's own, not another's, not even a shared one."""
    mine, shared = keep(database, "Cards"), keep(database, "All", "lea", shared=True)
    with database.begin() as connection:
        delete_view(connection, mine.view_id, "rita")
        with pytest.raises(ReviewMissingError):
            delete_view(connection, shared.view_id, "rita")
        assert views_for(connection, "rita") == (shared,)


def test_saving_again_replaces(database: Database) -> None:
    """A view under a name that one has already takes its place; another's stays."""
    keep(database, "Cards", "lea")
    keep(database, "Cards")
    newer = keep(database, "  Cards ", query={"severity": "high"})
    with database.begin(read_only=True) as connection:
        assert views_for(connection, "rita") == (newer,)
        assert len(views_for(connection, "lea")) == 1


@pytest.mark.parametrize(
    ("name", "query"),
    [("", {}), ("  ", {}), ("x" * 81, {}), ("long", {"q": "x" * 2000})],
    ids=["none", "blank", "long-name", "long-filter"],
)
def test_refused(database: Database, name: str, query: dict[str, str]) -> None:
    """A view has a name, and neither it nor its filter is a book."""
    with pytest.raises(ReviewError):
        keep(database, name, query=query or {"a": "b"})


def test_not_without_end(database: Database) -> None:
    """Nobody fills the database with views."""
    for n in range(MAX_VIEWS):
        keep(database, f"v{n}")
    with pytest.raises(ReviewError, match="delete one first"):
        keep(database, "one more")
    keep(database, "v0")  # in place of the one it was
