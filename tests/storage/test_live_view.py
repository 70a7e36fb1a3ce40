"""What goes on now, and a cursor that loses nothing and repeats nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rules.types import HitState, Role
from storage import gaps, heartbeats, hits
from storage.calls import CallParticipant, end_call, save_call, save_participant
from storage.database import Database
from storage.gaps import Gap, GapKind
from storage.live_view import Cursor, LiveHit, latest_hits, live_calls, new_hits
from storage.tables import WATCHES
from tests.storage.builders import NOW, call, hit


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def raised(database: Database, *names: str, after_s: float = 0, **changes: object) -> None:
    """Hits that were recorded so long after NOW."""
    with database.begin() as connection:
        for name in names:
            hits.save_hit(connection, "RM_1", hit(id=name), recorded_at=at(after_s), **changes)  # type: ignore[arg-type]


def read(
    database: Database, cursor: Cursor, now_s: float, limit: int = 100
) -> tuple[list[str], Cursor]:
    """Ids of what is new, and the cursor after it, by way of its text."""
    with database.begin(read_only=True) as connection:
        found, is_all = new_hits(connection, cursor, limit=limit)
    cursor = cursor.after(found, now=at(now_s), is_all=is_all)
    again = Cursor.parse(str(cursor), now=at(now_s))
    assert again is not None
    return [each.hit_id for each in found], again


def test_new_hits_come_once(database: Database) -> None:
    """Each poll gives what came since the one before, also when the browser connects anew."""
    cursor = Cursor(horizon=at(-15))
    raised(database, "a")
    found, cursor = read(database, cursor, 0)
    assert found == ["a"]
    raised(database, "b", "c", after_s=1)
    assert read(database, cursor, 1)[0] == ["b", "c"]
    found, cursor = read(database, cursor, 1)
    assert read(database, cursor, 2)[0] == []
    assert read(database, cursor, 60)[0] == []


def test_what_becomes_visible_late_is_not_lost(database: Database) -> None:
    """A transaction that was slow to commit bears an earlier time than what was read already."""
    cursor = Cursor(horizon=at(-15))
    raised(database, "quick", after_s=5)
    found, cursor = read(database, cursor, 6)
    assert found == ["quick"]
    raised(database, "slow", after_s=1)
    found, cursor = read(database, cursor, 7)
    assert found == ["slow"]
    assert read(database, cursor, 8)[0] == []


def test_a_storm_is_read_page_by_page(database: Database) -> None:
    """More than one poll gives, and more than a cursor remembers: still each of them once."""
    names = [f"h{n:03}" for n in range(250)]
    for n, name in enumerate(names):
        raised(database, name, after_s=n / 100)
    cursor, told = Cursor(horizon=at(-15)), []
    for _ in range(12):
        found, cursor = read(database, cursor, 3, limit=40)
        told += found
    assert told == names
    assert len(str(cursor)) < 2000


def test_rules_on_trial_raise_nothing(database: Database) -> None:
    """Their hits are for comparison."""
    raised(database, "trial", shadow=True)
    assert read(database, Cursor(horizon=at(-15)), 0)[0] == []
    with database.begin(read_only=True) as connection:
        assert latest_hits(connection) == ()


def test_the_latest_hits_come_first(database: Database) -> None:
    """With all that a line of the page needs, masked."""
    raised(database, "a")
    raised(database, "b", after_s=1)
    with database.begin(read_only=True) as connection:
        found = latest_hits(connection, limit=1)
    assert [(each.hit_id, each.excerpt, each.state) for each in found] == [
        ("b", "my card is ************1111", HitState.CONFIRMED)
    ]
    assert "1111" not in repr(found[0])


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1.2", "1.zzzzzzzz", "9" * 30, "1772366400250000.ABCDEF01", "١٢٣",
     ".".join(["1", *["00000000"] * 400]), str(10**17)],
)  # fmt: skip
def test_a_cursor_that_is_none(text: str) -> None:
    """Whatever a browser sends back, it is refused and nothing fails."""
    assert Cursor.parse(text, now=NOW) is None


def test_a_mark_is_of_call_and_hit() -> None:
    """Two calls may have hits of the same id."""
    marks = {
        LiveHit(
            room_sid=room, hit_id="h", rule_id="r", severity=hit().severity, start_s=0.0,
            excerpt="", state=HitState.CONFIRMED, recorded_at=NOW,
        ).mark
        for room in ("RM_1", "RM_2")
    }  # fmt: skip
    assert len(marks) == 2


def test_calls_that_go_on(database: Database) -> None:
    """Those to which nobody listens stand first; ended ones and those long lost are not there."""
    with database.begin() as connection:
        for n in range(1, 6):
            save_call(connection, call(room_sid=f"RM_{n}", created_at=at(-100 + n)))
        for n, beat_s in ((1, -1), (2, -60), (3, -1), (4, -9999)):
            heartbeats.take_seat(connection, f"RM_{n}", "job", now=at(beat_s))
            heartbeats.beat(connection, f"RM_{n}", "job", now=at(beat_s), heard_until_s=42.0)
        end_call(connection, "RM_3", at(0))
        for name, left_s in (("ann", None), ("bob", None), ("cy", 9.0)):
            save_participant(
                connection,
                CallParticipant(
                    room_sid="RM_1", identity=name, role=Role.AGENT, kind="standard",
                    joined_s=0.0, left_s=left_s,
                ),
            )  # fmt: skip
        for kind, end_s in ((GapKind.DEAF_TRACK, None), (GapKind.OVERLOAD, 5.0)):
            gaps.save_gap(
                connection,
                Gap(room_sid="RM_1", identity="ann", kind=kind, start_s=1.0, end_s=end_s),
            )
        connection.execute(
            WATCHES.insert().values(
                room_sid="RM_9", since=at(-90), attempts=3, next_attempt_at=at(9),
                unobserved_since=at(-90), updated_at=at(-1),
            )
        )  # fmt: skip
    raised(database, "a")
    with database.begin(read_only=True) as connection:
        found = live_calls(connection, now=NOW)
    assert [(each.room_sid, each.observed) for each in found] == [
        ("RM_2", "lost"), ("RM_9", "unobserved"), ("RM_1", "heard"),
    ]  # fmt: skip
    lost, unobserved, heard = found
    assert (lost.since, unobserved.since, heard.since) == (at(-60), at(-90), None)
    assert (heard.n_participants, heard.n_alerts, heard.gaps) == (2, 1, (GapKind.DEAF_TRACK,))
    assert (heard.heard_until_s, unobserved.began_at) == (42.0, None)
