from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from storage.database import Database, open_database
from storage.objects import ObjectStore, open_objects
from storage.trail_tables import TRAIL, TRAIL_CHAIN
from tests.servers.postgres import PostgresServer
from tests.storage.trails import (
    anchored,
    edit,
    exchange,
    faults,
    fill,
    rehash,
    remove,
    swap,
    tamper,
    verified,
)

N_ENTRIES = 24
ANCHORS = (7, 15, 20)
SEQS = st.integers(1, N_ENTRIES)


@dataclass(frozen=True, repr=False)
class Bench:
    """A trail that is put back after each try."""

    database: Database
    store: ObjectStore
    rows: list[dict[str, Any]]
    chain: dict[str, Any]

    def put_back(self) -> None:
        tamper(
            self.database,
            delete(TRAIL),
            insert(TRAIL).values(self.rows),
            update(TRAIL_CHAIN).values(**self.chain),
        )


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("trail")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'earmark.db'}"
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.new_database()
    database = open_database(url, create=True)
    store = open_objects(str(folder / "objects"))
    begun = 0
    for seq in ANCHORS:
        fill(database, seq - begun)
        anchored(database, store)
        begun = seq
    fill(database, N_ENTRIES - begun)
    yield Bench(database, store, rows_of(database), chain_of(database))
    database.close()


def rows_of(database: Database) -> list[dict[str, Any]]:
    with database.begin(read_only=True) as connection:
        query = select(TRAIL).order_by(TRAIL.c.seq)
        return [dict(row) for row in connection.execute(query).mappings()]


def chain_of(database: Database) -> dict[str, Any]:
    with database.begin(read_only=True) as connection:
        return dict(connection.execute(select(TRAIL_CHAIN)).mappings().one())


def first_change(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> int | None:
    """The first number whose entry is not what it was."""
    old, new = ({row["seq"]: row for row in rows} for rows in (before, after))
    return min((seq for seq in {*old, *new} if old.get(seq) != new.get(seq)), default=None)


EDITS = st.builds(
    lambda seq, column, value: (edit(seq, **{column: value}),),
    SEQS,
    st.sampled_from(["actor", "action", "room_sid", "subject", "detail", "prev_hash", "hash"]),
    st.uuids().map(str),
)
REMOVALS = st.builds(lambda one, n: (remove(one, one + n),), SEQS, st.integers(0, 6))
SWAPS = st.builds(swap, SEQS, SEQS)
EXCHANGES = st.builds(lambda one, other: (exchange(one, other),), SEQS, SEQS)
CUTS = st.builds(lambda first: (remove(first, N_ENTRIES),), SEQS)
STEPS = st.lists(st.one_of(EDITS, REMOVALS, CUTS, SWAPS, EXCHANGES), min_size=1, max_size=4)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_whatever_is_done_is_found(bench: Bench, steps: list[tuple[Any, ...]]) -> None:
    """Any change to entries, in any order, is found, and not beyond where it was done."""
    bench.put_back()
    tamper(bench.database, *(each for step in steps for each in step))
    first = first_change(bench.rows, rows_of(bench.database))
    found = verified(bench.database, bench.store)
    assert found.is_intact == (first is None)
    if first is not None:
        assert min(seq for _, seq, _ in faults(found)) <= first
        assert any(seq <= first <= last for _, seq, last in faults(found))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_what_is_hidden_by_hashing_anew(bench: Bench, steps: list[tuple[Any, ...]]) -> None:
    """Made to fit again with all hashes, what was anchored is found still, up to its anchor."""
    bench.put_back()
    tamper(bench.database, *(each for step in steps for each in step), rehash(1))
    first = first_change(bench.rows, rows_of(bench.database))
    found = verified(bench.database, bench.store)
    if first is not None and first <= ANCHORS[-1]:
        assert not found.is_intact
        # Where the tail was cut off as well, no head may be left that reaches what is there.
        is_named = any(seq <= first <= last for _, seq, last in faults(found))
        assert is_named or found.anchored_seq < first
