from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from storage import heartbeats
from storage.database import Database
from storage.heartbeats import STALE_S, Heartbeat, Seat
from tests.storage.builders import NOW


def later(elapsed_s: float) -> datetime:
    """A time after the beginning."""
    return NOW + timedelta(seconds=elapsed_s)


def take(database: Database, job_id: str, elapsed_s: float = 0.0) -> Seat:
    """Try to become the observer of the call."""
    with database.begin() as connection:
        return heartbeats.take_seat(connection, "RM_1", job_id, now=later(elapsed_s))


def test_first_observer_takes_the_seat(database: Database) -> None:
    """A call that nobody observes is free, and one that somebody observes is not."""
    assert take(database, "J1") == Seat(is_free=True, predecessor=None, n_earlier=0)
    second = take(database, "J2", 1.0)
    assert not second.is_free
    assert second.n_earlier == 1
    assert second.predecessor is not None
    assert second.predecessor.job_id == "J1"
    assert take(database, "J1", 2.0).is_free  # the same one again


@pytest.mark.parametrize(
    ("elapsed_s", "is_free"),
    [
        pytest.param(4.0 + STALE_S, False, id="just-alive"),
        pytest.param(4.1 + STALE_S, True, id="lost"),
    ],
)
def test_seat_of_a_killed_observer(database: Database, elapsed_s: float, is_free: bool) -> None:
    """An observer that was killed keeps its seat until its beats are too old."""
    take(database, "J1")
    with database.begin() as connection:
        heartbeats.beat(connection, "RM_1", "J1", now=later(4.0), heard_until_s=3.5)
    seat = take(database, "J2", elapsed_s)
    assert seat.is_free is is_free
    assert seat.predecessor == Heartbeat(
        room_sid="RM_1", job_id="J1", started_at=NOW, beat_at=later(4.0), heard_until_s=3.5
    )


def test_seat_of_an_observer_that_left(database: Database) -> None:
    """An observer that leaves gives its seat free at once."""
    take(database, "J1")
    with database.begin() as connection:
        heartbeats.leave(connection, "RM_1", "J1", now=later(1.0))
    seat = take(database, "J2", 1.0)
    assert seat.is_free
    assert seat.predecessor is not None
    assert seat.predecessor.left_at == later(1.0)


def test_many_at_once(database: Database) -> None:
    """Of many that ask at the same moment, one becomes the observer."""
    with ThreadPoolExecutor(8) as pool:
        seats = list(pool.map(lambda number: take(database, f"J{number}"), range(8)))
    assert [seat.is_free for seat in seats].count(True) == 1


def test_observed_by_another(database: Database) -> None:
    """Oneself does not count, and neither does one whose beats are old."""
    take(database, "J1")

    def ask(job_id: str, elapsed_s: float) -> bool:
        with database.begin() as connection:
            return heartbeats.is_observed_by_another(
                connection, "RM_1", job_id, now=later(elapsed_s)
            )

    assert not ask("J1", 0.0)
    assert ask("J2", 0.0)
    assert not ask("J2", STALE_S + 1)


def test_oldest_beat(database: Database) -> None:
    """The oldest beat is of those who neither left nor are long lost."""

    def oldest(since_s: float) -> datetime | None:
        with database.begin() as connection:
            return heartbeats.oldest_beat(connection, since=later(since_s))

    assert oldest(0.0) is None
    for room_sid, elapsed_s in (("RM_1", 0.0), ("RM_2", 5.0), ("RM_3", 2.0)):
        with database.begin() as connection:
            heartbeats.take_seat(connection, room_sid, "J1", now=later(elapsed_s))
    with database.begin() as connection:
        heartbeats.leave(connection, "RM_3", "J1", now=later(6.0))
    assert oldest(0.0) == NOW
    assert oldest(1.0) == later(5.0)
