from datetime import datetime, timedelta

from storage import calls, gaps, watches
from storage.calls import Call
from storage.database import Database
from storage.gaps import Gap, GapKind
from storage.watches import Watch
from tests.storage.builders import NOW, call

UNHEARD = call(rulebook_fingerprint=None, observer_joined_s=None)


def later(elapsed_s: float) -> datetime:
    """A time after the beginning of the call."""
    return NOW + timedelta(seconds=elapsed_s)


def begun(database: Database) -> Watch:
    """The watch of the call, ten seconds after its beginning."""
    with database.begin() as connection:
        watches.begin(connection, [UNHEARD.room_sid], now=later(10.0))
        return watches.watches(connection)[UNHEARD.room_sid]


def test_watch_begins_once(database: Database) -> None:
    """A second watcher finds the watch of the first."""
    expected = Watch(
        room_sid=UNHEARD.room_sid, since=later(10.0), attempts=0, next_attempt_at=later(10.0)
    )
    assert begun(database) == expected
    with database.begin() as connection:
        watches.begin(connection, [UNHEARD.room_sid], now=later(20.0))
        assert watches.watches(connection) == {UNHEARD.room_sid: expected}


def test_attempt_is_claimed_once(database: Database) -> None:
    """Of two watchers that saw the same, one dispatches; and each attempt is counted."""
    seen = begun(database)

    def claim(watch: Watch) -> bool:
        with database.begin() as connection:
            return watches.claim_attempt(
                connection, watch, next_attempt_at=later(30.0), now=later(10.0)
            )

    assert [claim(seen), claim(seen)] == [True, False]
    with database.begin() as connection:
        after = watches.watches(connection)[UNHEARD.room_sid]
    assert (after.attempts, after.next_attempt_at) == (1, later(30.0))
    assert claim(after)
    with database.begin() as connection:
        watches.settle(connection, UNHEARD.room_sid, now=later(40.0))
        settled = watches.watches(connection)[UNHEARD.room_sid]
    assert (settled.attempts, settled.next_attempt_at) == (0, later(40.0))


def report(database: Database, of: Call = UNHEARD) -> bool:
    """Note that nobody observes the call since its fifth second."""
    with database.begin() as connection:
        return watches.report_unobserved(connection, of, since=later(5.0), now=later(70.0))


def test_unobserved_is_reported_once(database: Database) -> None:
    """A call that nobody heard is stored with a gap, so that no audit calls it clean."""
    begun(database)
    assert [report(database), report(database)] == [True, False]
    with database.begin() as connection:
        assert calls.get_call(connection, UNHEARD.room_sid) == UNHEARD
        assert gaps.gaps_of(connection, UNHEARD.room_sid) == (
            Gap(
                room_sid=UNHEARD.room_sid,
                identity=None,
                kind=GapKind.UNOBSERVED,
                start_s=5.0,
            ),
        )


def test_report_keeps_what_is_known(database: Database) -> None:
    """A call that was heard before stays as it is stored."""
    heard = call(observer_joined_s=1.5)
    with database.begin() as connection:
        calls.save_call(connection, heard)
    begun(database)
    assert report(database)
    with database.begin() as connection:
        assert calls.get_call(connection, heard.room_sid) == heard


def test_observer_that_comes_late_ends_the_gap(database: Database) -> None:
    """The gap has an end, and the next one is a report of its own."""
    begun(database)
    report(database)
    with database.begin() as connection:
        watch = watches.watches(connection)[UNHEARD.room_sid]
        watches.end_unobserved(connection, watch, until=later(90.0), now=later(91.0))
        (gap,) = gaps.gaps_of(connection, UNHEARD.room_sid)
        assert (gap.start_s, gap.end_s) == (5.0, 90.0)
        assert watches.watches(connection)[UNHEARD.room_sid].unobserved_since is None


def test_call_that_ends_unobserved(database: Database) -> None:
    """Nobody else can say when the call ended; a call that was observed says so itself."""
    begun(database)
    report(database)
    with database.begin() as connection:
        watch = watches.watches(connection)[UNHEARD.room_sid]
        watches.forget(connection, watch, now=later(100.0))
        ended = calls.get_call(connection, UNHEARD.room_sid)
        assert ended is not None
        assert ended.ended_at == later(100.0)
        (gap,) = gaps.gaps_of(connection, UNHEARD.room_sid)
        assert gap.end_s == 100.0
        assert watches.watches(connection) == {}
