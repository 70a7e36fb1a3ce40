"""The watcher's decisions, at times of the test's choosing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from realtime.watching import (
    MAX_ATTEMPTS,
    RETRY_DELAYS_S,
    Action,
    Dispatch,
    Forget,
    Judged,
    Recovered,
    Report,
    RoomState,
    Round,
    SeenRoom,
    Settle,
    Withdraw,
    decide,
)
from storage.heartbeats import STALE_S, Heartbeat
from storage.watches import Watch
from tests.storage.builders import NOW


def at(elapsed_s: float) -> datetime:
    """A time after the creation of the room."""
    return NOW + timedelta(seconds=elapsed_s)


def room(sid: str = "RM_1", *, is_wanted: bool = True) -> SeenRoom:
    """A room that was created at the beginning."""
    return SeenRoom(room_sid=sid, room_name="support", created_at=NOW, is_wanted=is_wanted)


def beat(
    last_s: float, *, job: str = "J1", start_s: float = 0.0, has_left: bool = False
) -> Heartbeat:
    """An observer that last wrote at a time, and left then or not."""
    return Heartbeat(
        room_sid="RM_1", job_id=job, started_at=at(start_s), beat_at=at(last_s),
        heard_until_s=last_s, left_at=at(last_s) if has_left else None,
    )  # fmt: skip


def watch(attempts: int = 0, *, next_s: float = 0.0, reported_s: float | None = None) -> Watch:
    """A room that was seen without an observer at the beginning."""
    return Watch(
        room_sid="RM_1", since=NOW, attempts=attempts, next_attempt_at=at(next_s),
        unobserved_since=None if reported_s is None else at(reported_s),
    )  # fmt: skip


def look(
    now_s: float,
    *beats: Heartbeat,
    of: Watch | None = None,
    rooms: Sequence[SeenRoom] = (room(),),
    lives_s: float | None = None,
    max_dispatches: int = 50,
) -> Round:
    """What a watcher decides that reports after a minute."""
    return decide(
        rooms,
        {"RM_1": beats},
        {"RM_1": of} if of else {},
        at(now_s),
        report_after_s=60.0,
        lives_at=None if lives_s is None else at(lives_s),
        max_dispatches=max_dispatches,
    )


def asked(of: Watch, now_s: float) -> Dispatch:
    """The dispatch that is the next attempt."""
    delay_s = RETRY_DELAYS_S[min(of.attempts, len(RETRY_DELAYS_S) - 1)]
    return Dispatch(room=room(), watch=of, next_attempt_at=at(now_s + delay_s))


NEW = Watch(room_sid="RM_1", since=at(1), attempts=0, next_attempt_at=at(1))


@pytest.mark.parametrize(
    ("round_", "state", "actions"),
    [
        pytest.param(look(1), RoomState.DISPATCHED, [asked(NEW, 1)], id="new-room"),
        pytest.param(look(9, of=watch(1, next_s=20)), RoomState.WAITING, [], id="on-its-way"),
        pytest.param(
            look(20, of=watch(1, next_s=20)),
            RoomState.DISPATCHED, [asked(watch(1, next_s=20), 20)], id="did-not-come",
        ),
        pytest.param(look(10, beat(8)), RoomState.OBSERVED, [], id="observed"),
        pytest.param(
            look(10, beat(8), of=watch(1, next_s=20)), RoomState.OBSERVED, [], id="just-came"
        ),
        pytest.param(
            look(61, beat(60, start_s=1), of=watch(1)),
            RoomState.OBSERVED, [Settle(room_sid="RM_1")], id="stays",
        ),
        pytest.param(
            look(30 + STALE_S, beat(30), of=watch()), RoomState.OBSERVED, [], id="late-beat"
        ),
        pytest.param(
            look(31 + STALE_S, beat(30), of=watch()),
            RoomState.DISPATCHED, [asked(watch(), 31 + STALE_S)], id="killed",
        ),
        pytest.param(
            look(31, beat(30, has_left=True), of=watch()),
            RoomState.DISPATCHED, [asked(watch(), 31)], id="left-and-people-came-back",
        ),
        pytest.param(
            look(50, beat(30), of=watch(), lives_s=40), RoomState.OBSERVED, [],
            id="database-was-away",
        ),
        pytest.param(
            look(70, of=watch(3, next_s=90)),
            RoomState.WAITING, [Report(room=room(), since=NOW, is_first=True)], id="unobserved",
        ),
        pytest.param(
            look(95, beat(30), of=watch(2, next_s=100)),
            RoomState.WAITING, [Report(room=room(), since=at(30), is_first=False)],
            id="unobserved-since-a-kill",
        ),
        pytest.param(
            look(90, of=watch(3, next_s=99, reported_s=0)), RoomState.WAITING, [],
            id="reported-once",
        ),
        pytest.param(
            look(100, beat(99, start_s=98), of=watch(4, next_s=120, reported_s=5)),
            RoomState.OBSERVED,
            [Recovered(watch=watch(4, next_s=120, reported_s=5), until=at(98))],
            id="recovered",
        ),
        pytest.param(
            look(9999, of=watch(MAX_ATTEMPTS, reported_s=0)), RoomState.GIVEN_UP, [], id="given-up"
        ),
        pytest.param(
            look(10, beat(8), beat(9, job="J2", start_s=4)),
            RoomState.OBSERVED, [Withdraw(room=room(), job_id="J2")], id="two-observers",
        ),
        pytest.param(
            look(30, beat(8), beat(29, job="J2", start_s=25)), RoomState.OBSERVED, [],
            id="second-after-a-kill",
        ),
        pytest.param(
            look(5, rooms=[room(is_wanted=False)]), RoomState.LEFT_OUT, [], id="left-out"
        ),
        pytest.param(
            look(5, beat(4), rooms=[room(is_wanted=False)]), RoomState.OBSERVED, [],
            id="left-out-but-observed",
        ),
    ],
)  # fmt: skip
def test_room(round_: Round, state: RoomState, actions: list[Action]) -> None:
    """What is found of one room, and what is done about it."""
    assert [judged.state for judged in round_.rooms] == [state]
    assert list(round_.actions) == actions


def test_room_that_is_over() -> None:
    """A room that the server no longer has is forgotten, and so is one that nobody wants now."""
    for round_ in (
        look(5, of=watch(1), rooms=[]),
        look(5, of=watch(1), rooms=[room(is_wanted=False)]),
    ):
        assert round_.actions == (Forget(watch=watch(1)),)


def test_unobserved_room_is_told_with_its_start() -> None:
    """Whoever reads a look learns since when nobody observes, and whether that is too long."""
    (judged,) = look(95, beat(30), of=watch(2, next_s=100, reported_s=30)).rooms
    assert judged == Judged(
        room_sid="RM_1", state=RoomState.WAITING, unobserved_since=at(30), is_reported=True
    )


def test_many_rooms_at_once() -> None:
    """After a restart the workers are not flooded: what is too much waits for the next look."""
    round_ = look(1, rooms=[room(f"RM_{number}") for number in range(5)], max_dispatches=3)
    assert [judged.state for judged in round_.rooms] == 3 * [RoomState.DISPATCHED] + 2 * [
        RoomState.WAITING
    ]


def test_attempts_end() -> None:
    """A room that no observer comes to is tried with growing pauses, and not for ever."""
    current, now_s, pauses_s = watch(), 0.0, []
    while True:
        dispatches = [
            action for action in look(now_s, of=current).actions if isinstance(action, Dispatch)
        ]
        if not dispatches:
            break
        next_s = (dispatches[0].next_attempt_at - NOW).total_seconds()
        pauses_s.append(next_s - now_s)
        current, now_s = watch(current.attempts + 1, next_s=next_s), next_s
    assert len(pauses_s) == MAX_ATTEMPTS
    assert pauses_s == sorted(pauses_s)
    assert sum(pauses_s) > 3600
