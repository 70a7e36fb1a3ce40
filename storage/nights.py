"""Which days were audited as a whole, by whom and with what result; so a missing night shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from storage.tables import NIGHTS

# Days before these are no longer asked after: their recordings may be gone by now.
HORIZON_DAYS = 60
# Nobody is told of a missing night before its run had half a day's time.
GRACE = timedelta(hours=12)


class NightOutcome(StrEnum):
    """How a run over a day ended."""

    RUNNING = "running"  # or its process died
    COMPLETE = "complete"  # every call has a report, or is known to be poison
    INCOMPLETE = "incomplete"  # some calls failed, or are with another run
    STOPPED = "stopped"  # it was told to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """A run over one day, or over one shard of its calls."""

    run_id: str
    day: date
    shard: int  # from 0
    n_shards: int
    started_at: datetime  # UTC
    finished_at: datetime | None = None  # UTC
    outcome: NightOutcome = NightOutcome.RUNNING
    counts: Mapping[str, object] | None = None  # JSON; see `offline.run.Summary`

    @property
    def counts_as_run(self) -> bool:
        """Whether its part of the day is done: complete, and begun when the day was over."""
        return self.outcome is NightOutcome.COMPLETE and self.started_at >= _end_of(self.day)


def begin_night(connection: Connection, night: Night) -> None:
    """Note that a run begins with a day."""
    row = {name: getattr(night, name) for name in Night.__dataclass_fields__}
    connection.execute(insert(NIGHTS).values({**row, "outcome": night.outcome.value}))


def end_night(
    connection: Connection,
    run_id: str,
    day: date,
    *,
    outcome: NightOutcome,
    counts: Mapping[str, object],
    now: datetime,
) -> None:
    """Note how a run ended.

    Args:
        connection: In a transaction.
        run_id: The run.
        day: The day.
        outcome: How it ended.
        counts: How many calls came to what; JSON.
        now: UTC.
    """
    connection.execute(
        update(NIGHTS)
        .where(NIGHTS.c.run_id == run_id, NIGHTS.c.day == day)
        .values(outcome=outcome.value, counts=dict(counts), finished_at=now)
    )


def nights_since(connection: Connection, day: date) -> tuple[Night, ...]:
    """All runs over a day and later ones, by day and time."""
    rows = connection.execute(
        select(NIGHTS)
        .where(NIGHTS.c.day >= day)
        .order_by(NIGHTS.c.day, NIGHTS.c.started_at, NIGHTS.c.run_id)
    ).mappings()
    return tuple(Night(**{**row, "outcome": NightOutcome(row["outcome"])}) for row in rows)


def missing_days(
    connection: Connection, *, now: datetime, grace: timedelta = timedelta()
) -> tuple[date, ...]:
    """Days that are over and were not audited as a whole, since the first that ever was begun.

    Args:
        connection: In a transaction.
        now: UTC.
        grace: A day is asked after when it has been over for so long.

    Returns:
        In order; none where no day was ever begun. None older than HORIZON_DAYS.
    """
    last = (now.astimezone(UTC) - grace).date() - timedelta(days=1)
    horizon = last - timedelta(days=HORIZON_DAYS - 1)
    first: date | None = connection.execute(select(func.min(NIGHTS.c.day))).scalar()
    if first is None:
        return ()
    nights = nights_since(connection, horizon)
    begin = max(first, horizon)
    days = (begin + timedelta(days=n) for n in range((last - begin).days + 1))
    return tuple(day for day in days if not is_whole(n for n in nights if n.day == day))


def is_whole(nights: Iterable[Night]) -> bool:
    """Whether runs over one day cover its calls: one run over all, or all shards of so many."""
    done: dict[int, set[int]] = {}
    for night in nights:
        if night.counts_as_run:
            done.setdefault(night.n_shards, set()).add(night.shard)
    return any(len(shards) == n_shards for n_shards, shards in done.items())


def latest_night(connection: Connection) -> Night | None:
    """The run that began last, None where none ever did."""
    row = (
        connection.execute(
            select(NIGHTS).order_by(NIGHTS.c.started_at.desc(), NIGHTS.c.day.desc()).limit(1)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return Night(**{**row, "outcome": NightOutcome(row["outcome"])})


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)
