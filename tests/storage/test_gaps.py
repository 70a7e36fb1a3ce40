from __future__ import annotations

from dataclasses import replace

from storage import gaps
from storage.database import Database
from storage.gaps import Gap, GapKind

DEAF = Gap(
    room_sid="RM_1", identity="ann", kind=GapKind.DEAF_TRACK, start_s=12.25, detail="no_frames"
)


def test_gap_opens_and_closes(database: Database) -> None:
    """A gap that ends is the same gap, and saving it again neither doubles nor reopens it."""
    with database.begin() as connection:
        gaps.save_gap(connection, DEAF)
        gaps.save_gap(connection, DEAF)
        assert gaps.gaps_of(connection, "RM_1") == (DEAF,)
        gaps.save_gap(connection, replace(DEAF, end_s=20.0, detail=None))
        gaps.save_gap(connection, DEAF)
        assert gaps.gaps_of(connection, "RM_1") == (replace(DEAF, end_s=20.0),)


def test_every_kind(database: Database) -> None:
    """Gaps of all kinds, of one participant or of everybody, lie side by side in order."""
    given = tuple(
        Gap(room_sid="RM_1", identity=identity, kind=kind, start_s=float(n), end_s=n + 0.5)
        for n, (kind, identity) in enumerate(
            (kind, identity) for kind in GapKind for identity in (None, "ann", "bob")
        )
    )
    with database.begin() as connection:
        for gap in reversed(given):
            gaps.save_gap(connection, gap)
        assert gaps.gaps_of(connection, "RM_1") == given
        assert gaps.gaps_of(connection, "RM_2") == ()


def test_same_moment_different_people(database: Database) -> None:
    """Two participants, or two kinds, at one moment are different gaps."""
    others = (
        DEAF,
        replace(DEAF, identity="bob"),
        replace(DEAF, identity=None),
        replace(DEAF, kind=GapKind.OVERLOAD),
        replace(DEAF, room_sid="RM_2"),
    )
    with database.begin() as connection:
        for gap in others:
            gaps.save_gap(connection, gap)
        assert len(gaps.gaps_of(connection, "RM_1")) == 4
    assert "ann" not in repr(DEAF)
