"""What a watcher decides: from the rooms, who observes them, and what was tried, to what is done.

Nothing here waits, asks or writes. Several watchers that see the same decide the same; the claim
in the database lets one of them act.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from storage.heartbeats import Heartbeat
from storage.watches import Watch

# A worker has so long to take a job, load what it needs and take its seat, before it is tried
# again. The pauses grow, because rooms that stay without an observer mean that workers are full or
# gone, and asking more often brings none back.
RETRY_DELAYS_S = (20.0, 20.0, 40.0, 80.0, 160.0, 300.0)
# About an hour and a half. What fails for so long needs a person, who is told at the beginning.
MAX_ATTEMPTS = 20
# An observer that lives this long is one; a job that dies earlier has been an attempt.
STEADY_S = 60.0
# Dispatches of one round: the rest waits for the next, so that a restart floods nobody.
MAX_DISPATCHES = 50


class RoomState(StrEnum):
    """How a room stands."""

    OBSERVED = "observed"
    DISPATCHED = "dispatched"  # an observer was asked for in this round
    WAITING = "waiting"  # one was asked for earlier, or too many rooms want one
    GIVEN_UP = "given_up"  # asked for too often in vain
    LEFT_OUT = "left_out"  # by the settings, or by the room itself


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRoom:
    """A room as the LiveKit server lists it."""

    room_sid: str
    room_name: str = field(repr=False)
    created_at: datetime  # UTC
    is_wanted: bool  # whether it should be observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Ask for an observer."""

    room: SeenRoom
    watch: Watch
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Send away an observer that is one too many."""

    room: SeenRoom
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Say that nobody observes a room."""

    room: SeenRoom
    since: datetime
    is_first: bool  # whether nobody ever observed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A room that was reported is observed again."""

    watch: Watch
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """An observer stays: earlier attempts no longer count."""

    room_sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """A room is over, or needs no observer any more."""

    watch: Watch


Action = Dispatch | Withdraw | Report | Recovered | Settle | Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was found of one room."""

    room_sid: str
    state: RoomState
    unobserved_since: datetime | None = None  # UTC; None while it is observed or left out
    is_reported: bool = False  # whether it has stayed unobserved for too long


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All that one look decides."""

    actions: tuple[Action, ...]
    rooms: tuple[Judged, ...]


def decide(
    rooms: Sequence[SeenRoom],
    beats: Mapping[str, Sequence[Heartbeat]],
    watches: Mapping[str, Watch],
    now: datetime,
    *,
    report_after_s: float,
    lives_at: datetime | None = None,
    max_dispatches: int = MAX_DISPATCHES,
) -> Round:
    """Say what is to be done.

    Args:
        rooms: Every room of the server.
        beats: Who says that they observe, or did, by room.
        watches: What the watchers know of rooms that needed an observer.
        now: UTC.
        report_after_s: How long a room may be without an observer before that is a finding.
        lives_at: UTC: when the observers must have been alive, if not now: while the database was
            away, they could not say so.
        max_dispatches: How many observers are asked for at once, at most.
    """
    actions: list[Action] = []
    judged: list[Judged] = []
    n_dispatches = 0
    for room in rooms:
        room_beats = beats.get(room.room_sid, ())
        watch = watches.get(room.room_sid)
        alive = [beat for beat in room_beats if beat.is_alive(lives_at or now)]
        if alive:
            actions += _observed(room, alive, watch, now)
            judged.append(Judged(room_sid=room.room_sid, state=RoomState.OBSERVED))
            continue
        if not room.is_wanted:
            judged.append(Judged(room_sid=room.room_sid, state=RoomState.LEFT_OUT))
            if watch is not None:
                actions.append(Forget(watch=watch))
            continue
        if watch is None:
            watch = Watch(room_sid=room.room_sid, since=now, attempts=0, next_attempt_at=now)
        since = max((watch.since, *(beat.until for beat in room_beats)))
        is_reported = watch.unobserved_since is not None
        if not is_reported and now - since >= timedelta(seconds=report_after_s):
            actions.append(Report(room=room, since=since, is_first=not room_beats))
            is_reported = True
        state = _state(watch, now, may_dispatch=n_dispatches < max_dispatches)
        if state is RoomState.DISPATCHED:
            n_dispatches += 1
            actions.append(
                Dispatch(room=room, watch=watch, next_attempt_at=now + _delay(watch.attempts))
            )
        judged.append(
            Judged(
                room_sid=room.room_sid,
                state=state,
                unobserved_since=since,
                is_reported=is_reported,
            )
        )
    there = {room.room_sid for room in rooms}
    actions += [Forget(watch=watch) for sid, watch in watches.items() if sid not in there]
    return Round(actions=tuple(actions), rooms=tuple(judged))


def _observed(
    room: SeenRoom, alive: Sequence[Heartbeat], watch: Watch | None, now: datetime
) -> Iterator[Action]:
    first, *others = alive
    for beat in others:
        yield Withdraw(room=room, job_id=beat.job_id)
    if watch is None:
        return
    if watch.unobserved_since is not None:
        yield Recovered(watch=watch, until=first.started_at)
    if watch.attempts and now - first.started_at >= timedelta(seconds=STEADY_S):
        yield Settle(room_sid=room.room_sid)


def _state(watch: Watch, now: datetime, *, may_dispatch: bool) -> RoomState:
    if watch.attempts >= MAX_ATTEMPTS:
        return RoomState.GIVEN_UP
    if watch.next_attempt_at > now or not may_dispatch:
        return RoomState.WAITING
    return RoomState.DISPATCHED


def _delay(attempts: int) -> timedelta:
    return timedelta(seconds=RETRY_DELAYS_S[min(attempts, len(RETRY_DELAYS_S) - 1)])
