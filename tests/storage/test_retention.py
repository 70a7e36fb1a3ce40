"""Retention: what is due goes with every version, what is held or locked stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from storage.deletions import Cause, all_deletions, open_deletions
from storage.holds import hold_objects, release_holds, set_hold
from storage.retention import Fate, Retention
from storage.retention_policy import Kind, Policy
from storage.versions import LockMode, LockRules, versions_of
from tests.storage.keeping import (
    BOTH,
    House,
    ago,
    fill_call,
    house,
    is_killed,
    make_marks_table,
    write_table,
)

OLD, YOUNG = "RM_old", "RM_young"
POLICY = Policy(
    recordings_days=30, redacted_days=30, reports_days=30, transcripts_days=30, stages_days=30,
    tables_days=30, rows_days=30,
)  # fmt: skip


@pytest.fixture(params=BOTH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, request, tmp_path) as opened:
        yield opened


def keys_of(home: House, room_sid: str) -> list[str]:
    return [key for key in home.all_keys() if room_sid in key]


def hold(home: House, room_sid: str) -> None:
    with home.database.begin() as connection:
        set_hold(connection, room_sid, reason="claim", set_by="sue", now=datetime.now(UTC))
    hold_objects(home.database, home.store, [room_sid], on=True)


def later(home: House, days: float = 31) -> Retention:
    """Retention as it will be in some days: transcripts and stages count from their writing."""
    return Retention(
        home.database, home.store, POLICY, now=datetime.now(UTC) + timedelta(days=days)
    )


def test_old_goes_and_young_stays(home: House) -> None:
    """Of a call that is over its time nothing is left, of a younger one everything."""
    fill_call(home, OLD, ago(40))
    young = fill_call(home, YOUNG, ago(2))
    rows = home.n_rows(YOUNG)
    if home.has_versions:
        key = keys_of(home, OLD)[0]
        home.store.put_bytes(key, b"another version", content_type="x")
        home.store.delete(key)  # a delete marker erases nothing
        assert len(versions_of(home.store, key)) == 3
    summary = Retention(home.database, home.store, POLICY).apply()
    # What counts from its writing is there yet.
    left = {key.split("/")[0] for key in keys_of(home, OLD)}
    assert left == {"transcripts", "stages"}
    assert home.n_rows(OLD) == {"deletions": summary.n_objects + 1}
    assert keys_of(home, YOUNG) == sorted(young)
    assert home.n_rows(YOUNG) == rows
    assert summary.n_calls == 1
    again = Retention(home.database, home.store, POLICY).apply()
    assert (again.n_objects, again.n_rows) == (0, 0)


def test_times_from_writing(home: House) -> None:
    """Transcripts and stages go so many days after they were written."""
    fill_call(home, OLD, ago(1))
    later(home, 29.5).apply()
    assert keys_of(home, OLD)
    later(home).apply()
    assert keys_of(home, OLD) == []


def test_nothing_is_deleted_by_default(home: House) -> None:
    """Without times, everything is kept but what nobody goes on with."""
    keys = fill_call(home, OLD, ago(4000))
    home.store.put_bytes(f"work/2020-01-01/{OLD}/x.json", b"{}", content_type="x")
    moment = datetime.now(UTC) + timedelta(days=8)
    Retention(home.database, home.store, Policy(), now=moment).apply()
    assert home.all_keys() == sorted(keys)


def test_ledger(home: House) -> None:
    """What was deleted is noted with counts and hashes, and without anybody's name."""
    fill_call(home, OLD, ago(40))
    Retention(home.database, home.store, POLICY).apply()
    with home.database.begin(read_only=True) as connection:
        noted = all_deletions(connection)
    assert all(each.done_at is not None and each.cause is Cause.RETENTION for each in noted)
    sound = next(each for each in noted if (each.object_key or "").endswith("TR_1.ogg")
                 and (each.object_key or "").startswith("recordings/"))  # fmt: skip
    assert (sound.n_items, sound.size_bytes, sound.room_sid) == (1, len(b"OggS sound"), OLD)
    assert sound.sha256 is not None
    assert "ann" not in repr(noted)


def test_held_call(home: House) -> None:
    """Of a held call nothing goes, not even what was written after the hold; lifted, it goes."""
    fill_call(home, OLD, ago(40))
    rows = home.n_rows(OLD)
    hold(home, OLD)
    home.store.put_bytes(f"reports/2026-01-01/{OLD}/new.json", b"{}", content_type="x")
    table = write_table(home, "2026-01-01", [{"room_sid": OLD, "speaker": "ann"}])
    before = home.all_keys()
    summary = later(home).apply()
    assert home.all_keys() == before
    assert {**home.n_rows(OLD), "holds": 0} == {**rows, "holds": 0}
    assert (summary.n_objects, summary.n_rows) == (0, 0)
    assert summary.n_held == len(before) + 1
    for version in home.store.versions(f"reports/2026-01-01/{OLD}/"):
        assert home.store.lock_of(version).is_held  # the hold was set on the new object, too
    with home.database.begin() as connection:
        release_holds(connection, OLD, reason="over", released_by="sue", now=datetime.now(UTC))
    hold_objects(home.database, home.store, [OLD], on=False)
    later(home).apply()
    assert keys_of(home, OLD) == []
    assert table not in home.all_keys()
    assert set(home.n_rows(OLD)) == {"deletions", "holds"}


def test_locked_object(home: House) -> None:
    """What the store has locked stays with the rows of its call, and is said to be."""
    locking = home.reopened(LockRules(days_by_prefix={"reports/": 60}))
    fill_call(home, OLD, ago(40))
    key = f"reports/2026-01-01/{OLD}/report.json"
    locking.put_bytes(key, b"{}", content_type="x")
    due = {item.name: item for item in later(home).due()}
    assert (due[key].fate, due[OLD].fate) == (Fate.LOCKED, Fate.WAITS)
    summary = later(home).apply()
    assert keys_of(home, OLD) == [key]
    assert "recordings" in home.n_rows(OLD)
    assert (summary.n_locked, summary.n_waiting, summary.n_calls) == (1, 1, 0)
    with home.database.begin(read_only=True) as connection:
        assert open_deletions(connection) == ()
    (version,) = versions_of(home.store, key)
    lock = home.store.lock_of(version)
    assert lock.mode is LockMode.GOVERNANCE
    assert lock.retain_until is not None
    home.store.erase(version, bypass_governance=True)
    assert keys_of(home, OLD) == []


def test_marks(home: House) -> None:
    """What must not be kept goes whatever its age; its mark stays and says when."""
    keys = fill_call(home, YOUNG, ago(1))
    held = fill_call(home, "RM_held", ago(1))
    marks = make_marks_table(home.database)
    hold(home, "RM_held")
    with home.database.begin() as connection:
        for key, room_sid in ((keys[0], YOUNG), (held[0], "RM_held"), ("recordings/gone", YOUNG)):
            connection.execute(
                insert(marks).values(
                    object_key=key, reason="card_security_code", room_sid=room_sid,
                    marked_at=ago(0),
                )
            )  # fmt: skip
    items = []
    Retention(home.database, home.store, Policy()).apply(items.append)
    assert keys_of(home, YOUNG) == sorted(keys[1:])
    assert keys_of(home, "RM_held") == sorted(held)
    assert {(item.name, item.fate) for item in items} == {
        (keys[0], Fate.DELETED), (held[0], Fate.HELD), ("recordings/gone", Fate.DELETED),
    }  # fmt: skip
    with home.database.begin(read_only=True) as connection:
        is_open = dict(
            connection.execute(select(marks.c.object_key, marks.c.deleted_at.is_(None))).all()
        )
    assert is_open == {keys[0]: False, held[0]: True, "recordings/gone": False}


def test_due_changes_nothing(home: House) -> None:
    """A dry run tells what would go, and when, and leaves all as it was."""
    keys = fill_call(home, OLD, ago(25))
    items = list(Retention(home.database, home.store, POLICY).due(within=timedelta(days=10)))
    assert {item.kind for item in items} == {Kind.RECORDINGS, Kind.REDACTED, Kind.ROWS}
    assert home.all_keys() == sorted(keys)
    assert list(Retention(home.database, home.store, POLICY).due()) == []


def test_killed_in_the_middle(home: House) -> None:
    """Killed again and again, the runs together delete what is due, and note each thing once."""
    for n in range(12):
        fill_call(home, f"{OLD}_{n}", ago(40 + n))
    fill_call(home, YOUNG, ago(1))
    expected = len(
        [k for k in home.all_keys() if k.startswith(("recordings/", "redacted/")) and OLD in k]
    )
    policy = Policy(recordings_days=30, redacted_days=30, rows_days=30)
    n_killed = 0
    while is_killed(home, 7 + n_killed % 2, lambda db, st: Retention(db, st, policy).apply()):
        n_killed += 1
    assert n_killed > 5
    gone = [key for key in home.all_keys() if key.startswith(("recordings/", "redacted/"))]
    assert all(YOUNG in key for key in gone)
    assert all(set(home.n_rows(f"{OLD}_{n}")) == {"deletions"} for n in range(12))
    with home.database.begin(read_only=True) as connection:
        noted = all_deletions(connection)
        assert open_deletions(connection) == ()
    objects = [each.object_key for each in noted if each.kind == "object"]
    assert len(objects) == len(set(objects)) == expected


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({"rows_days": 30}, id="recordings-for-ever"),
        pytest.param({"rows_days": 30, "recordings_days": 31, "redacted_days": 1}, id="longer"),
    ],
)
def test_rows_are_kept_as_long_as_sound(policy: dict[str, int]) -> None:
    """Rows say whose recordings are, so they may not go first."""
    with pytest.raises(ValueError, match="rows say whose they are"):
        Policy(**policy)
