"""Which nights were run, and which are missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from storage.database import Database
from storage.nights import (
    GRACE,
    HORIZON_DAYS,
    Night,
    NightOutcome,
    begin_night,
    end_night,
    latest_night,
    missing_days,
    nights_since,
)

DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 5, 3, 0, tzinfo=UTC)  # the night after the fourth


def night(
    database: Database,
    day: int,
    outcome: NightOutcome = NightOutcome.COMPLETE,
    *,
    started_at: datetime | None = None,
    shard: int = 0,
    n_shards: int = 1,
) -> None:
    """A run over a day of March, in the night after it."""
    which = date(2026, 3, day)
    begun = Night(
        run_id=f"{day}/{shard}/{n_shards}/{outcome}", day=which, shard=shard, n_shards=n_shards,
        started_at=started_at or datetime(2026, 3, day, 2, 30, tzinfo=UTC) + timedelta(days=1),
    )  # fmt: skip
    with database.begin() as connection:
        begin_night(connection, begun)
        if outcome is not NightOutcome.RUNNING:
            end_night(
                connection, begun.run_id, which, outcome=outcome, counts={"calls": 3},
                now=begun.started_at + timedelta(hours=1),
            )  # fmt: skip


def missing(database: Database, now: datetime = NOW, grace: timedelta = timedelta()) -> list[int]:
    with database.begin(read_only=True) as connection:
        return [day.day for day in missing_days(connection, now=now, grace=grace)]


def test_a_night_as_it_was(database: Database) -> None:
    """A run is read back as it was written, and the one that began last is known."""
    night(database, 1)
    night(database, 2, NightOutcome.RUNNING)
    with database.begin() as connection:
        first, second = nights_since(connection, DAY)
        assert latest_night(connection) == second
        assert nights_since(connection, date(2026, 3, 3)) == ()
    assert (first.day, first.outcome, first.counts) == (DAY, NightOutcome.COMPLETE, {"calls": 3})
    assert first.finished_at == datetime(2026, 3, 2, 3, 30, tzinfo=UTC)
    assert (second.outcome, second.finished_at, second.counts) == (NightOutcome.RUNNING, None, None)


def test_nothing_is_missing_before_the_first_night(database: Database) -> None:
    """Whoever never audited by night misses none."""
    assert missing(database) == []
    with database.begin() as connection:
        assert latest_night(connection) is None


def test_days_without_a_whole_run_are_missing(database: Database) -> None:
    """Not run, run and failed, died on the way, told to stop: all are missing nights."""
    night(database, 1)
    night(database, 2, NightOutcome.INCOMPLETE)
    night(database, 4, NightOutcome.RUNNING)
    assert missing(database) == [2, 3, 4]
    night(database, 3, NightOutcome.STOPPED)
    night(database, 2)
    assert missing(database) == [3, 4]
    night(database, 3)
    night(database, 4)
    assert missing(database) == []


def test_a_run_before_the_day_was_over_does_not_count(database: Database) -> None:
    """Calls may have come after it."""
    night(database, 4, started_at=datetime(2026, 3, 4, 23, 59, tzinfo=UTC))
    assert missing(database) == [4]


@pytest.mark.parametrize(
    ("shards", "days"),
    [
        pytest.param([(0, 2), (1, 2)], [], id="all-of-two"),
        pytest.param([(0, 2), (0, 2), (1, 3)], [4], id="never-all"),
        pytest.param([(0, 3), (1, 3), (2, 3), (0, 2)], [], id="all-of-three"),
    ],
)
def test_shards_make_a_night_whole(
    database: Database, shards: list[tuple[int, int]], days: list[int]
) -> None:
    """All shards of one division count as one run over all calls."""
    for shard, n_shards in dict.fromkeys(shards):
        night(database, 4, shard=shard, n_shards=n_shards)
    assert missing(database) == days


def test_last_night_has_its_time(database: Database) -> None:
    """Nobody is told of a day that was over a few hours ago; old days are forgotten."""
    night(database, 3)
    assert missing(database) == [4]
    assert missing(database, grace=GRACE) == []
    assert missing(database, now=NOW + GRACE, grace=GRACE) == [4]
    with database.begin() as connection:
        days = missing_days(connection, now=NOW + timedelta(days=500))
    assert len(days) == HORIZON_DAYS
