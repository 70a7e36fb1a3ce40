"""What goes on right now, for people who watch: calls, who listens to them, and new hits.

New hits are read with a cursor that survives a lost connection. Transactions do not become visible
in the order of their times, so a cursor is a moment and the hits after it that were seen already:
nothing is lost that becomes visible within `SETTLING_S`, and nothing comes twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from rules.types import HitState, Severity
from storage.gaps import GapKind
from storage.heartbeats import STALE_S
from storage.tables import CALLS, GAPS, HEARTBEATS, HITS, PARTICIPANTS, WATCHES

SETTLING_S = 15.0
MAX_CALLS = 200
_MARK_CHARS = 8
_MAX_MARKS = 100
_LOST_FOR = timedelta(minutes=30)  # an observer that is silent for longer is history
_WATCH_FRESH = timedelta(minutes=15)  # watchers write at each attempt, and those grow rare


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """A call that goes on, as far as anybody knows."""

    room_sid: str
    began_at: datetime | None  # UTC; None of a room that no observer has entered
    observed: str  # heard, lost (its observer fell silent) or unobserved
    since: datetime | None  # UTC: since when nobody listens
    heard_until_s: float | None  # call clock
    n_participants: int
    n_alerts: int
    gaps: tuple[GapKind, ...]  # what is not heard now


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveHit:
    """A hit that was raised live; rules on trial raise none."""

    room_sid: str
    hit_id: str
    rule_id: str
    severity: Severity
    start_s: float  # call clock
    excerpt: str = field(repr=False)  # masked
    state: HitState
    recorded_at: datetime  # UTC

    @property
    def mark(self) -> str:
        """A short hash, by which a cursor knows that it was seen."""
        return hashlib.sha256(f"{self.room_sid}\0{self.hit_id}".encode()).hexdigest()[:_MARK_CHARS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far somebody has seen: everything before a moment, and these hits after it."""

    horizon: datetime  # UTC
    seen: Mapping[str, datetime] = field(default_factory=dict)  # marks, and when recorded

    def __str__(self) -> str:
        return ".".join([str(int(self.horizon.timestamp() * 1e6)), *sorted(self.seen)])

    @classmethod
    def parse(cls, text: str, *, now: datetime) -> Cursor | None:
        """A cursor from its text, None where it is none.

        Args:
            text: What `str` gave.
            now: UTC; when the seen ones were recorded is not in the text, and no later than this.
        """
        moment, *marks = text.split(".")
        if not moment.isascii() or not moment.isdigit() or len(moment) > 17:
            return None
        is_known = all(len(m) == _MARK_CHARS and set(m) <= set("0123456789abcdef") for m in marks)
        if len(marks) > 3 * _MAX_MARKS or not is_known:
            return None
        horizon = datetime.fromtimestamp(int(moment) / 1e6, UTC)
        return None if horizon > now else cls(horizon=horizon, seen=dict.fromkeys(marks, now))

    def past(self, hit: LiveHit) -> Cursor:
        """The cursor of somebody who has just seen this one of several new ones."""
        seen = {**self.seen, hit.mark: hit.recorded_at}
        return Cursor(horizon=self.horizon, seen=seen)

    def after(self, hits: Collection[LiveHit], *, now: datetime, is_all: bool) -> Cursor:
        """The cursor of somebody who has seen these, too.

        Args:
            hits: What `new_hits` gave.
            now: UTC, from before they were read.
            is_all: Whether they were all that there is; else reading goes on behind the last.
        """
        seen = {**self.seen, **{hit.mark: hit.recorded_at for hit in hits}}
        settled = now - timedelta(seconds=SETTLING_S)
        reached = max((hit.recorded_at for hit in hits), default=self.horizon)
        horizon = max(self.horizon, settled if is_all else min(settled, reached))
        kept = {mark: at for mark, at in seen.items() if at >= horizon}
        if len(kept) > _MAX_MARKS:  # a storm of hits: the oldest are taken for settled
            by_time = sorted(kept.items(), key=lambda each: each[1])
            last_dropped_at = by_time[-_MAX_MARKS - 1][1]
            horizon = max(horizon, last_dropped_at + timedelta(microseconds=1))
            kept = {mark: at for mark, at in by_time if at >= horizon}
        return Cursor(horizon=horizon, seen=kept)


def new_hits(
    connection: Connection, cursor: Cursor, *, limit: int = 100
) -> tuple[tuple[LiveHit, ...], bool]:
    """Hits that a cursor has not seen, in the order in which they were recorded.

    Returns:
        The hits, and whether they are all.
    """
    rows = connection.execute(
        select(HITS)
        .where(HITS.c.recorded_at >= cursor.horizon, HITS.c.shadow.is_(False))
        .order_by(HITS.c.recorded_at, HITS.c.room_sid, HITS.c.hit_id)
        .limit(limit + len(cursor.seen))
    ).mappings()
    found = [_hit(row) for row in rows]
    unseen = [hit for hit in found if hit.mark not in cursor.seen]
    return tuple(unseen[:limit]), len(found) < limit + len(cursor.seen) and len(unseen) <= limit


def latest_hits(connection: Connection, *, limit: int = 50) -> tuple[LiveHit, ...]:
    """The last hits that were recorded, the newest first."""
    rows = connection.execute(
        select(HITS)
        .where(HITS.c.shadow.is_(False))
        .order_by(HITS.c.recorded_at.desc(), HITS.c.room_sid, HITS.c.hit_id)
        .limit(limit)
    ).mappings()
    return tuple(_hit(row) for row in rows)


def live_calls(connection: Connection, *, now: datetime) -> tuple[LiveCall, ...]:
    """Calls that go on, those to which nobody listens first.

    Args:
        connection: In a transaction.
        now: UTC.
    """
    alive = now - timedelta(seconds=STALE_S)
    beats = {
        row.room_sid: row
        for row in connection.execute(
            select(
                HEARTBEATS.c.room_sid,
                func.max(HEARTBEATS.c.beat_at).label("beat_at"),
                func.max(HEARTBEATS.c.heard_until_s).label("heard_until_s"),
            )
            .where(HEARTBEATS.c.left_at.is_(None), HEARTBEATS.c.beat_at >= now - _LOST_FOR)
            .group_by(HEARTBEATS.c.room_sid)
            .order_by(func.max(HEARTBEATS.c.beat_at).desc())
            .limit(MAX_CALLS)
        )
    }
    unobserved = {
        row.room_sid: row.unobserved_since
        for row in connection.execute(
            select(WATCHES.c.room_sid, WATCHES.c.unobserved_since)
            .where(
                WATCHES.c.unobserved_since.is_not(None),
                WATCHES.c.updated_at >= now - _WATCH_FRESH,
            )
            .limit(MAX_CALLS)
        )
    }
    sids = list({*beats, *unobserved})
    calls = {
        row.room_sid: row
        for row in connection.execute(
            select(CALLS.c.room_sid, CALLS.c.created_at, CALLS.c.ended_at).where(
                CALLS.c.room_sid.in_(sids)
            )
        )
    }
    people = _counts(connection, PARTICIPANTS.c.room_sid, sids, PARTICIPANTS.c.left_s.is_(None))
    alerts = _counts(
        connection, HITS.c.room_sid, sids, HITS.c.shadow.is_(False),
        HITS.c.state != HitState.RETRACTED.value,
    )  # fmt: skip
    gaps = _open_gaps(connection, sids)
    found = []
    for sid in sids:
        call, beat = calls.get(sid), beats.get(sid)
        if call is not None and call.ended_at is not None:
            continue
        is_heard = beat is not None and beat.beat_at >= alive
        state = "heard" if is_heard else "lost" if beat is not None else "unobserved"
        since = None if is_heard else unobserved.get(sid) or (beat.beat_at if beat else None)
        found.append(
            LiveCall(
                room_sid=sid,
                began_at=call.created_at if call is not None else None,
                observed=state,
                since=since,
                heard_until_s=beat.heard_until_s if beat is not None else None,
                n_participants=people.get(sid, 0),
                n_alerts=alerts.get(sid, 0),
                gaps=gaps.get(sid, ()),
            )
        )
    first = datetime.min.replace(tzinfo=UTC)
    found.sort(key=lambda call: call.room_sid)
    found.sort(key=lambda call: call.began_at or first, reverse=True)
    found.sort(key=lambda call: call.observed == "heard")
    return tuple(found[:MAX_CALLS])


def _counts(
    connection: Connection,
    column: ColumnElement[str],
    sids: Collection[str],
    *where: ColumnElement[bool],
) -> Mapping[str, int]:
    rows = connection.execute(
        select(column, func.count()).where(column.in_(sids), *where).group_by(column)
    )
    return {room_sid: n for room_sid, n in rows}


def _open_gaps(connection: Connection, sids: Collection[str]) -> Mapping[str, tuple[GapKind, ...]]:
    rows = connection.execute(
        select(GAPS.c.room_sid, GAPS.c.kind)
        .where(GAPS.c.room_sid.in_(sids), GAPS.c.end_s.is_(None))
        .distinct()
        .order_by(GAPS.c.kind)
    )
    found: dict[str, tuple[GapKind, ...]] = {}
    for sid, kind in rows:
        found[sid] = (*found.get(sid, ()), GapKind(kind))
    return found


def _hit(row: RowMapping) -> LiveHit:
    return LiveHit(
        room_sid=row["room_sid"],
        hit_id=row["hit_id"],
        rule_id=row["rule_id"],
        severity=Severity(row["severity"]),
        start_s=row["start_s"],
        excerpt=row["excerpt"],
        state=HitState(row["state"]),
        recorded_at=row["recorded_at"],
    )
