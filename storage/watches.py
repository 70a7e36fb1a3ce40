"""What several watchers agree on about rooms that need an observer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from storage.calls import Call
from storage.gaps import Gap, GapKind, save_gap
from storage.tables import CALLS, WATCHES
from storage.upsert import insert_if_new


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The state of one room that should be observed."""

    room_sid: str
    since: datetime  # UTC: when a watcher first saw it without an observer
    attempts: int  # dispatches since an observer last stayed
    next_attempt_at: datetime  # UTC: no watcher dispatches before
    unobserved_since: datetime | None = None  # UTC: start of the gap that was reported


def watches(connection: Connection) -> Mapping[str, Watch]:
    """Every room that is watched, by its sid."""
    columns = [column for column in WATCHES.c if column.name != "updated_at"]
    rows = connection.execute(select(*columns)).mappings()
    return {row["room_sid"]: Watch(**row) for row in rows}


def begin(connection: Connection, room_sids: Collection[str], *, now: datetime) -> None:
    """Watch rooms that are not watched yet; dispatching to them is due at once."""
    for room_sid in room_sids:
        insert_if_new(
            connection,
            WATCHES,
            {
                "room_sid": room_sid,
                "since": now,
                "attempts": 0,
                "next_attempt_at": now,
                "unobserved_since": None,
                "updated_at": now,
            },
        )


def claim_attempt(
    connection: Connection, watch: Watch, *, next_attempt_at: datetime, now: datetime
) -> bool:
    """Win the right to dispatch once; of several watchers that saw the same, one does.

    Whoever dies after this costs the room no more than the time until the next attempt.

    Args:
        connection: In a transaction that is committed before the dispatch.
        watch: As it was read.
        next_attempt_at: UTC: when the next attempt may be made, by whomever.
        now: UTC.
    """
    won = connection.execute(
        update(WATCHES)
        .where(
            WATCHES.c.room_sid == watch.room_sid,
            WATCHES.c.attempts == watch.attempts,
            WATCHES.c.next_attempt_at == watch.next_attempt_at,
        )
        .values(attempts=watch.attempts + 1, next_attempt_at=next_attempt_at, updated_at=now)
    )
    return won.rowcount == 1


def report_unobserved(
    connection: Connection, call: Call, *, since: datetime, now: datetime
) -> bool:
    """Note, once, that nobody observes a call: a gap, and a call that the audit will find.

    Args:
        connection: In a transaction.
        call: The room, as a call that nobody has heard; what is known of it stays.
        since: UTC: from when.
        now: UTC.

    Returns:
        Whether this was the first report.
    """
    first = connection.execute(
        update(WATCHES)
        .where(WATCHES.c.room_sid == call.room_sid, WATCHES.c.unobserved_since.is_(None))
        .values(unobserved_since=since, updated_at=now)
    )
    if first.rowcount != 1:
        return False
    insert_if_new(
        connection,
        CALLS,
        {
            "room_sid": call.room_sid,
            "room_name": call.room_name,
            "source": call.source,
            "created_at": call.created_at,
            "ended_at": None,
            "rulebook_fingerprint": None,
            "observer_joined_s": None,
        },
    )
    _save_gap(connection, call.room_sid, since, None)
    return True


def end_unobserved(connection: Connection, watch: Watch, *, until: datetime, now: datetime) -> None:
    """An observer came: the gap that was reported has an end."""
    if watch.unobserved_since is not None:
        _save_gap(connection, watch.room_sid, watch.unobserved_since, until)
    connection.execute(
        update(WATCHES)
        .where(WATCHES.c.room_sid == watch.room_sid)
        .values(unobserved_since=None, since=now, updated_at=now)
    )


def settle(connection: Connection, room_sid: str, *, now: datetime) -> None:
    """An observer stays: what was tried before no longer counts."""
    connection.execute(
        update(WATCHES)
        .where(WATCHES.c.room_sid == room_sid)
        .values(attempts=0, next_attempt_at=now, updated_at=now)
    )


def forget(connection: Connection, watch: Watch, *, now: datetime) -> None:
    """A room is over, or needs no observer any more.

    If nobody was observing it, nobody else can say when the call ended.
    """
    if watch.unobserved_since is not None:
        end_unobserved(connection, watch, until=now, now=now)
        connection.execute(
            update(CALLS)
            .where(CALLS.c.room_sid == watch.room_sid, CALLS.c.ended_at.is_(None))
            .values(ended_at=now)
        )
    connection.execute(delete(WATCHES).where(WATCHES.c.room_sid == watch.room_sid))


def _save_gap(
    connection: Connection, room_sid: str, since: datetime, until: datetime | None
) -> None:
    created_at: datetime = connection.execute(
        select(CALLS.c.created_at).where(CALLS.c.room_sid == room_sid)
    ).scalar_one()

    def position_s(at: datetime) -> float:
        return max(0.0, (at - created_at).total_seconds())

    gap = Gap(
        room_sid=room_sid,
        identity=None,
        kind=GapKind.UNOBSERVED,
        start_s=position_s(since),
        end_s=None if until is None else position_s(until),
    )
    save_gap(connection, gap)
