from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, literal, select, text, update

from storage.database import Database, open_database
from storage.errors import StorageError, StorageUnavailableError
from storage.objects import ObjectStore, open_objects
from storage.trail_anchor import anchor, anchor_state
from storage.trail_heads import HEADS_PREFIX, parse_head, sign_head
from storage.trail_stored_heads import Anchor
from storage.trail_tables import TRAIL, TRAIL_CHAIN, TRAIL_HEADS
from tests.storage.builders import NOW
from tests.storage.trails import (
    KEY,
    OTHER_KEY,
    anchored,
    edit,
    exchange,
    faults,
    fill,
    rehash,
    remove,
    shift,
    swap,
    tamper,
    verified,
    without_constraints,
)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """An empty store; that one on S3 does the same, other tests show."""
    return open_objects(str(tmp_path / "objects"))


def test_intact(database: Database, objects: ObjectStore) -> None:
    """What was appended is found as it was, and it is said what is anchored and what is not."""
    fill(database, 7)
    anchored(database, objects)
    fill(database, 3)
    head = anchored(database, objects)
    fill(database, 2)
    found = verified(database, objects)
    assert faults(found) == []
    assert found.is_intact
    assert (found.n_entries, found.last_seq, found.n_heads) == (12, 12, 2)
    assert (found.anchored_seq, found.n_unanchored) == (10, 2)
    assert found.anchored_at == head.at


def test_no_trail(database: Database, store: ObjectStore) -> None:
    """A database in which nothing was ever done has nothing to be found."""
    found = verified(database, store)
    assert (faults(found), found.chain_id, found.n_entries, found.n_heads) == ([], None, 0, 0)
    assert anchor(database, store, KEY, now=NOW) is None


def test_nothing_new_is_not_anchored(database: Database, store: ObjectStore) -> None:
    """Without a new entry, there is no new head."""
    fill(database, 2)
    anchored(database, store)
    assert anchor(database, store, KEY, now=NOW) is None
    assert len(list(store.list(HEADS_PREFIX))) == 1


# What is done to 20 entries, anchored at 5, 10 and 15, and what is found.
TAMPERED = [
    pytest.param([edit(8, actor="nobody")], [("edited", 8, 8)], id="edit-actor"),
    pytest.param([edit(8, detail='{"n":9}')], [("edited", 8, 8)], id="edit-detail"),
    pytest.param([edit(8, detail="{")], [("edited", 8, 8)], id="edit-no-json"),
    pytest.param([edit(9, room_sid=None)], [("edited", 9, 9)], id="edit-call"),
    pytest.param([edit(8, at=NOW)], [("edited", 8, 8)], id="edit-time"),
    pytest.param([edit(1, actor="x")], [("edited", 1, 1)], id="edit-start"),
    pytest.param([edit(20, actor="x")], [("edited", 20, 20)], id="edit-end"),
    pytest.param([edit(8, hash="f" * 64)], [("edited", 8, 8)], id="edit-hash"),
    pytest.param(
        [edit(8, actor="x"), edit(9, actor="x"), edit(11, actor="x")],
        [("edited", 8, 9), ("edited", 11, 11)],
        id="edit-three",
    ),
    pytest.param(
        [edit(8, actor="x"), rehash(8, 8)], [("relinked", 8, 9)], id="edit-and-hash-anew"
    ),
    pytest.param(
        [edit(20, actor="x"), rehash(20, 20)], [("edited", 20, 20)], id="edit-end-and-hash-anew"
    ),
    pytest.param(
        [edit(1, actor="x"), rehash(1, 1)], [("relinked", 1, 2)], id="edit-start-and-hash-anew"
    ),
    pytest.param(
        [edit(8, actor="x"), rehash(8)], [("rewritten", 6, 10)], id="rehash-all-after-an-anchor"
    ),
    pytest.param(
        [edit(1, actor="x"), rehash(1)], [("rewritten", 1, 5)], id="rehash-all-from-the-start"
    ),
    pytest.param([remove(8)], [("deleted", 8, 8)], id="delete"),
    pytest.param([remove(8, 11)], [("deleted", 8, 11)], id="delete-several"),
    pytest.param([remove(1, 3)], [("deleted", 1, 3)], id="delete-start"),
    pytest.param([remove(2), remove(19)], [("deleted", 2, 2), ("deleted", 19, 19)], id="delete-2"),
    pytest.param(
        [remove(8), *shift(9, -1)],
        [("deleted", 8, 8), ("reordered", 8, 19)],
        id="delete-and-number-anew",
    ),
    pytest.param(
        [remove(8), *shift(9, -1), rehash(8)], [("rewritten", 6, 10)], id="delete-and-rehash-all"
    ),
    pytest.param([*swap(8, 9)], [("reordered", 8, 9)], id="swap-neighbours"),
    pytest.param([*swap(1, 2)], [("reordered", 1, 2)], id="swap-start"),
    pytest.param([*swap(19, 20)], [("reordered", 19, 20)], id="swap-end"),
    pytest.param(
        [*swap(2, 19)], [("reordered", 2, 2), ("reordered", 19, 19)], id="swap-far-apart"
    ),
    pytest.param(
        [exchange(3, 17)], [("reordered", 3, 3), ("reordered", 17, 17)], id="exchange-contents"
    ),
    pytest.param([*swap(8, 9), rehash(8)], [("rewritten", 6, 10)], id="swap-and-rehash-all"),
    pytest.param([remove(18, 20)], [("cut_tail", 18, 20)], id="cut-tail-after-the-last-anchor"),
    pytest.param([remove(13, 20)], [("cut_tail", 13, 20)], id="cut-tail-before-an-anchor"),
    pytest.param([remove(1, 20)], [("cut_tail", 1, 20)], id="cut-all"),
    pytest.param(
        [remove(13, 20), rehash(12)], [("cut_tail", 13, 15)], id="cut-tail-and-hide-it"
    ),
    pytest.param(
        [remove(1, 20), delete(TRAIL_CHAIN), delete(TRAIL_HEADS)],
        [("cut_tail", 1, 15)],
        id="cut-all-and-hide-it",
    ),
    pytest.param(
        [*shift(9, 1), insert(TRAIL).from_select(
            ["seq", "at", "actor", "action", "detail", "prev_hash", "hash"],
            select(9, TRAIL.c.at, TRAIL.c.actor, TRAIL.c.action, TRAIL.c.detail,
                   "x" + TRAIL.c.prev_hash, "x" + TRAIL.c.hash).where(TRAIL.c.seq == 8),
        )],
        [("added", 9, 9), ("edited", 9, 9), ("reordered", 10, 21), ("added", 21, 21)],
        id="put-in-between",
    ),
    pytest.param(
        [update(TRAIL_CHAIN).values(last_seq=18)], [("added", 19, 20)], id="chain-row-behind"
    ),
    pytest.param(
        [update(TRAIL_CHAIN).values(last_hash="f" * 64)], [("edited", 20, 20)], id="chain-row-hash"
    ),
    pytest.param([delete(TRAIL_CHAIN)], [], id="chain-row-gone"),
]  # fmt: skip


@pytest.mark.parametrize(("done", "expected"), TAMPERED)
def test_tampering(
    database: Database, store: ObjectStore, done: Sequence[Any], expected: list[Any]
) -> None:
    """What was done to the table is found, and named by its entries."""
    for _ in range(3):
        fill(database, 5)
        anchored(database, store)
    fill(database, 5)
    tamper(database, *done)
    assert faults(verified(database, store)) == expected


def test_chain_row_gone_and_no_heads(database: Database, store: ObjectStore) -> None:
    """Without the row of the chain and without heads, nothing tells what entries belong to."""
    fill(database, 3)
    tamper(database, delete(TRAIL_CHAIN))
    assert faults(verified(database, store)) == [("edited", 1, 3)]


def test_two_rows_with_one_number(tmp_path: Path, store: ObjectStore) -> None:
    """Where constraints were removed, two versions of an entry are a fork."""
    database = open_database(f"sqlite:///{tmp_path / 'loose.db'}")
    fill(database, 4)
    anchored(database, store)
    without_constraints(database)
    columns = [c for c in TRAIL.c if c.name != "actor"]
    row = select(*columns, literal("nobody")).where(TRAIL.c.seq == 3)
    tamper(database, insert(TRAIL).from_select([*(c.name for c in columns), "actor"], row))
    assert faults(verified(database, store)) == [("forked", 3, 3)]
    database.close()


def test_values_that_are_no_text(tmp_path: Path, store: ObjectStore) -> None:
    """What SQLite lets stand in a column is found, whatever it is."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    fill(database, 6)
    tamper(
        database,
        text("UPDATE trail SET at = 'some day' WHERE seq = 2"),
        text("UPDATE trail SET actor = x'ff00' WHERE seq = 4"),
        text("UPDATE trail SET detail = 7 WHERE seq = 6"),
    )
    assert faults(verified(database, store)) == [
        ("edited", 2, 2),
        ("edited", 4, 4),
        ("edited", 6, 6),
    ]
    database.close()


def backup(tmp_path: Path) -> Database:
    """A copy of an SQLite database, as it is now."""
    path = tmp_path / "copy.db"
    source, target = sqlite3.connect(tmp_path / "earmark.db"), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    return open_database(f"sqlite:///{path}")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Database]:
    """A database of which a copy can be made."""
    database = open_database(f"sqlite:///{tmp_path / 'earmark.db'}")
    yield database
    database.close()


def test_two_databases_go_on_from_one(here: Database, store: ObjectStore, tmp_path: Path) -> None:
    """Where a copy went on beside the original and both anchored, either one shows the fork."""
    fill(here, 4)
    anchored(here, store)
    copy = backup(tmp_path)
    fill(here, 3)
    fill(copy, 5, actor="elsewhere")
    for database in (here, copy):
        anchored(database, store)
        fill(database, 2)
    assert faults(verified(here, store)) == [("forked", 5, 9)]
    assert faults(verified(copy, store)) == [("forked", 5, 9)]
    copy.close()


def test_copy_that_anchored_the_same(here: Database, store: ObjectStore, tmp_path: Path) -> None:
    """Two heads that follow one are no fork as long as they are of the same entries."""
    fill(here, 4)
    anchored(here, store)
    fill(here, 3)
    copy = backup(tmp_path)
    head = anchor(copy, store, KEY, now=NOW + timedelta(hours=1))
    assert head is not None
    fill(here, 1)
    anchored(here, store)
    assert len(list(store.list(HEADS_PREFIX))) == 3
    assert faults(verified(here, store)) == []
    copy.close()


def test_restored_backup(here: Database, store: ObjectStore, tmp_path: Path) -> None:
    """A database that was put back to an earlier state has lost its tail, whatever it does next."""
    fill(here, 4)
    anchored(here, store)
    copy = backup(tmp_path)
    fill(here, 3)
    anchored(here, store)
    assert faults(verified(copy, store)) == [("cut_tail", 5, 7)]
    fill(copy, 2, actor="elsewhere")
    assert faults(verified(copy, store)) == [("cut_tail", 7, 7)]
    fill(copy, 2, actor="elsewhere")
    assert faults(verified(copy, store)) == [("rewritten", 5, 7)]
    anchored(copy, store)
    assert faults(verified(copy, store)) == [("forked", 5, 8)]
    copy.close()


def test_begun_anew(database: Database, store: ObjectStore) -> None:
    """A trail that was emptied and begun anew is not the one that was anchored."""
    fill(database, 4)
    anchored(database, store)
    tamper(database, delete(TRAIL), delete(TRAIL_CHAIN), delete(TRAIL_HEADS))
    fill(database, 9)
    found = verified(database, store)
    assert faults(found) == [("other_chain", 0, 0)]
    assert "another chain" in found.faults[0].sentence


def heads_of(store: ObjectStore) -> list[str]:
    """Keys of the heads, the oldest first."""
    return [found.key for found in store.list(HEADS_PREFIX)]


def test_heads_that_were_tampered_with(database: Database, objects: ObjectStore) -> None:
    """A head that is damaged, changed, taken out or from somebody else is found, and so named."""
    for _ in range(6):
        fill(database, 2)
        anchored(database, objects)
    keys = heads_of(objects)
    objects.put_bytes(keys[0], b"{", content_type="x")
    forged = objects.get_bytes(keys[1]).replace(b'"seq":4', b'"seq":5', 1)
    objects.put_bytes(keys[1], forged, content_type="x")
    objects.delete(keys[2])
    taken = parse_head(objects.get_bytes(keys[3]), keys[3])
    foreign = sign_head(
        OTHER_KEY, chain_id=taken.chain_id, seq=taken.seq, hash=taken.hash, at=taken.at,
        previous=taken.previous,
    )  # fmt: skip
    objects.put_bytes(foreign.object_key, foreign.document().encode(), content_type="x")
    resigned = replace(taken, at=NOW + timedelta(days=9))
    objects.put_bytes(resigned.object_key, resigned.document().encode(), content_type="x")
    objects.put_bytes(f"{HEADS_PREFIX}notes.txt", b"x" * 100_000, content_type="x")
    found = verified(database, objects)
    assert sorted(faults(found)) == [
        ("head_forged", 8, 8),
        ("head_missing", 6, 6),
        ("head_unreadable", 0, 0),
        ("head_unreadable", 2, 2),
        ("head_unreadable", 4, 4),
        ("head_wrong_key", 8, 8),
    ]
    assert (found.anchored_seq, found.n_heads) == (12, 3)


def test_last_heads_cut_off(database: Database, store: ObjectStore) -> None:
    """Heads that the database noted as stored must be there."""
    for _ in range(3):
        fill(database, 2)
        anchored(database, store)
    for key in heads_of(store)[1:]:
        store.delete(key)
    found = verified(database, store)
    assert faults(found) == [("head_missing", 4, 4), ("head_missing", 6, 6)]
    assert found.anchored_seq == 2


def test_keys_that_follow_each_other(database: Database, store: ObjectStore) -> None:
    """After the key was changed, both are given; with one alone, the other's heads are named."""
    fill(database, 2)
    anchored(database, store)
    fill(database, 2)
    anchored(database, store, OTHER_KEY)
    assert faults(verified(database, store, KEY, OTHER_KEY)) == []
    assert faults(verified(database, store, KEY)) == [("head_wrong_key", 4, 4)]
    assert faults(verified(database, store, OTHER_KEY)) == [("head_wrong_key", 2, 2)]


def test_head_noted_elsewhere(database: Database, store: ObjectStore) -> None:
    """An entry's hash that was written down finds a chain that was made anew with its heads."""
    fill(database, 4)
    head = anchored(database, store)
    known = Anchor(seq=4, hash=head.hash, at=None, about="given")
    assert faults(verified(database, store, expected=[known])) == []
    tamper(database, delete(TRAIL_HEADS), edit(2, actor="x"), rehash(2))
    store.delete(head.object_key)
    assert faults(verified(database, store)) == []
    assert faults(verified(database, store, expected=[known])) == [("rewritten", 1, 4)]
    tamper(database, remove(3, 4), rehash(2))
    assert faults(verified(database, store, expected=[known])) == [("cut_tail", 3, 4)]


def test_without_heads(database: Database, store: ObjectStore) -> None:
    """The database alone can be looked at, and it is said that it was."""
    fill(database, 4)
    anchored(database, store)
    found = verified(database, None)
    assert (faults(found), found.are_heads_read, found.anchored_seq) == ([], False, 0)


def test_store_that_cannot_be_reached(database: Database, tmp_path: Path) -> None:
    """A store that is not there is not the same as one without heads."""
    fill(database, 2)
    (tmp_path / "objects").write_text("a file")
    with pytest.raises(StorageUnavailableError):
        verified(database, open_objects(str(tmp_path / "objects")))


def test_head_that_was_not_stored(database: Database, tmp_path: Path) -> None:
    """A head that could not be stored is stored the next time, before any other."""
    folder = tmp_path / "objects"
    store = open_objects(str(folder))
    fill(database, 2)
    folder.write_text("a file in the way")
    with pytest.raises(StorageError):
        anchored(database, store)
    with database.begin(read_only=True) as connection:
        state = anchor_state(connection)
    assert (state.n_waiting, state.anchored_seq, state.n_entries) == (1, 0, 2)
    folder.unlink()
    fill(database, 1)
    anchored(database, store)
    assert len(heads_of(store)) == 2
    found = verified(database, store)
    assert (faults(found), found.n_waiting, found.anchored_seq) == ([], 0, 3)


def test_several_anchor_at_once(database_url: str, database: Database, store: ObjectStore) -> None:
    """Several who anchor while others append make one row of heads."""
    fill(database, 1)
    start = threading.Barrier(4)

    def work(n: int) -> None:
        own = open_database(database_url)
        start.wait()
        for _ in range(8):
            if n % 2:
                anchor(own, store, KEY, now=NOW)
            else:
                fill(own, 1)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(work, n) for n in range(4)]:
            each.result()
    found = verified(database, store)
    assert (faults(found), found.last_seq, found.n_waiting) == ([], 17, 0)
    assert found.n_heads >= 1


def test_progress(database: Database, store: ObjectStore) -> None:
    """Whoever waits is told of heads and entries."""
    fill(database, 3)
    anchored(database, store)
    told: list[tuple[str, int, int | None]] = []
    verified(database, store, on_progress=lambda *each: told.append(each))
    assert told == [("heads", 1, None), ("entries", 3, 3)]


@pytest.mark.parametrize(
    ("n_entries", "age_s", "is_due"),
    [(4, 0, False), (5, 0, True), (1, 599, False), (1, 600, True)],
    ids=["few", "many", "young", "old"],
)
def test_when_an_anchor_is_due(
    database: Database, store: ObjectStore, n_entries: int, age_s: int, is_due: bool
) -> None:
    """An anchor is due after so many entries, or after so long."""
    fill(database, 3)
    anchored(database, store)
    fill(database, n_entries)
    with database.begin(read_only=True) as connection:
        state = anchor_state(connection)
    assert state.waits_since == NOW + timedelta(seconds=4)
    now = state.waits_since + timedelta(seconds=age_s)
    assert state.is_due(now, n_entries=5, after=timedelta(minutes=10)) is is_due
